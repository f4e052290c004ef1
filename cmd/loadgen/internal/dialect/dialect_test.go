package dialect_test

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/hoshi-ws/hoshi/cmd/loadgen/internal/dialect"
	"github.com/hoshi-ws/hoshi/pkg/codec/edn"
)

func TestParseShares(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name   string
		in     string
		weight int
		err    string
	}{
		{name: "a name", in: "sente-lite", weight: 1},
		{name: "a weight", in: "sente-lite=70", weight: 70},
		{name: "unknown", in: "sente-lite=70,sente=30", err: `"sente" is unknown, there is: sente-lite`},
		{name: "nothing", in: "", err: `"" is unknown, there is: sente-lite`},
		{name: "zero", in: "sente-lite=0", err: "want a weight from 1"},
		{name: "no number", in: "sente-lite=x", err: "want a weight from 1"},
		{name: "too much", in: "sente-lite=1000001", err: "want a weight from 1 to 1000000"},
		{name: "twice", in: "sente-lite=1,sente-lite=2", err: "twice"},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			got, err := dialect.ParseShares(tc.in)
			if tc.err != "" {
				if err == nil || !strings.Contains(err.Error(), tc.err) {
					t.Errorf("got %v, %v, want %q", got, err, tc.err)
				}
				return
			}
			if err != nil || len(got) != 1 || got[0].Weight != tc.weight || got[0].Dialect.Name() != "sente-lite" {
				t.Errorf("got %v, %v", got, err)
			}
		})
	}
}

func TestSpread(t *testing.T) {
	t.Parallel()
	share := func(weights ...int) (s []dialect.Share) {
		for _, w := range weights {
			s = append(s, dialect.Share{Dialect: dialect.SenteLite{}, Weight: w})
		}
		return s
	}
	cases := []struct {
		name    string
		weights []int
		n       int
		want    []int
	}{
		{name: "one", weights: []int{7}, n: 5, want: []int{5}},
		{name: "by weight", weights: []int{70, 30}, n: 1000, want: []int{700, 300}},
		{name: "rounded", weights: []int{1, 1, 1}, n: 10, want: []int{3, 4, 3}},
		{name: "the heaviest first", weights: []int{70, 30}, n: 1, want: []int{1, 0}},
		{name: "nobody", weights: []int{1, 1}, n: 0, want: []int{0, 0}},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			got := dialect.Spread(share(tc.weights...), tc.n)
			counts := make([]int, len(tc.weights))
			for _, i := range got {
				counts[i]++
			}
			if !slices.Equal(counts, tc.want) || !slices.Equal(got, dialect.Spread(share(tc.weights...), tc.n)) {
				t.Errorf("got %v, want %v", counts, tc.want)
			}
			if len(tc.weights) == 2 && tc.n > 100 && slices.IsSorted(got) {
				t.Error("they are not mixed")
			}
		})
	}
}

// TestSenteLite holds that what is said is EDN with everything in its place.
func TestSenteLite(t *testing.T) {
	t.Parallel()
	var d dialect.SenteLite
	mark := [dialect.MarkLen]byte([]byte("abcdefgh00000000"))
	payload := dialect.AppendEDN(nil, mark, 128)
	for _, text := range [][]byte{
		payload, dialect.AppendEDN(nil, mark, d.MinSize()), d.AppendSubscribe(nil, "c"), d.AppendPublish(nil, "c", mark, 128), d.AppendPing(nil), d.AppendPong(nil),
	} {
		if err := edn.Check(text); err != nil {
			t.Errorf("%s: %v", text, err)
		}
	}
	if len(payload) != 128 || !bytes.Contains(d.AppendPublish(nil, "c", mark, 128), payload) {
		t.Errorf("payload of %d bytes: %s", len(payload), payload)
	}
	cases := []struct {
		in   string
		want dialect.Message
	}{
		{in: "[:chsk/ws-ping]", want: dialect.Message{Kind: dialect.Ping}},
		{in: "[:chsk/ws-pong]", want: dialect.Message{Kind: dialect.Pong}},
		{in: `[:chsk/handshake ["u" nil {} true]]`, want: dialect.Message{Kind: dialect.Handshake}},
		{in: `[:sente-lite/subscribed {:channel-id "c", :success true}]`, want: dialect.Message{Kind: dialect.Subscribed}},
		{in: `[:sente-lite/subscribed {:channel-id "c", :success false, :error :forbidden}]`, want: dialect.Message{Kind: dialect.Refused}},
		{in: `[:sente-lite/dropped {:count 41, :reason :queue-full}]`, want: dialect.Message{Kind: dialect.Dropped, Count: 41}},
		{in: `[:sente-lite/dropped {:reason :queue-full, :count 7}]`, want: dialect.Message{Kind: dialect.Dropped, Count: 7}},
		{in: `[:sente-lite/dropped {}]`, want: dialect.Message{Kind: dialect.Dropped}},
		{in: `[:sente-lite/dropped {:count 99999999999999999999}]`, want: dialect.Message{Kind: dialect.Dropped}},
		{in: "[:chsk/error :x]", want: dialect.Message{Kind: dialect.Fault}},
		{in: "[:chsk/timeout]", want: dialect.Message{Kind: dialect.Fault}},
		{in: `[:chat/say {:text "hi"}]`},
		{in: ""},
	}
	for _, tc := range cases {
		if got := d.Read([]byte(tc.in)); got != tc.want {
			t.Errorf("%s: got %+v, want %+v", tc.in, got, tc.want)
		}
	}
}

// FuzzRead holds that no text is more than it says, and that only notices count.
func FuzzRead(f *testing.F) {
	for _, s := range []string{"[:chsk/ws-ping]", "[:sente-lite/dropped {:count 41, :reason :queue-full}]", "[:sente-lite/dropped {:count", "[:sente-lite/subscribed "} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		m := dialect.SenteLite{}.Read(text)
		if m.Count < 0 || m.Count > 0 && m.Kind != dialect.Dropped {
			t.Fatalf("got %+v", m)
		}
	})
}
