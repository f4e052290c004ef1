package host_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/hoshi-ws/hoshi/cmd/loadgen/internal/host"
)

func TestParseSources(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name string
		in   []string
		want []string
		err  string
	}{
		{name: "none"},
		{name: "one", in: []string{"127.0.0.2"}, want: []string{"127.0.0.2"}},
		{name: "some and a range", in: []string{"127.0.0.9", "127.0.0.2-127.0.0.4"}, want: []string{"127.0.0.9", "127.0.0.2", "127.0.0.3", "127.0.0.4"}},
		{name: "over a byte", in: []string{"127.0.0.255-127.0.1.0"}, want: []string{"127.0.0.255", "127.0.1.0"}},
		{name: "range of one", in: []string{"::1-::1"}, want: []string{"::1"}},
		{name: "no address", in: []string{"localhost"}, err: `"localhost", want an address`},
		{name: "half a range", in: []string{"127.0.0.2-9"}, err: "want a range"},
		{name: "backwards", in: []string{"127.0.0.3-127.0.0.2"}, err: "want a range"},
		{name: "two families", in: []string{"127.0.0.3-::1"}, err: "want a range"},
		{name: "twice", in: []string{"127.0.0.2-127.0.0.4", "127.0.0.3"}, err: "127.0.0.3 is there twice"},
		{name: "too many", in: []string{"127.0.0.0-127.255.0.0"}, err: "more than 1024"},
		{name: "to the last", in: []string{"255.255.255.254-255.255.255.255"}, want: []string{"255.255.255.254", "255.255.255.255"}},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			got, err := host.ParseSources(tc.in)
			if tc.err != "" {
				if err == nil || !strings.Contains(err.Error(), tc.err) {
					t.Errorf("got %v, %v, want %q", got, err, tc.err)
				}
				return
			}
			var texts []string
			for _, a := range got {
				texts = append(texts, a.String())
			}
			if err != nil || !slices.Equal(texts, tc.want) {
				t.Errorf("got %v, %v, want %v", texts, err, tc.want)
			}
		})
	}
}
