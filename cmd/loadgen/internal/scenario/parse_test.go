package scenario_test

import (
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/hoshi-ws/hoshi/cmd/loadgen/internal/scenario"
)

func TestParse(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name   string
		in     string
		want   []scenario.Run
		vector bool
		err    string
	}{
		{
			name: "a map",
			in:   "; a comment\n{:scenario :fanout :url [\"ws://a/\" \"ws://b/\"]\n :subscribers 1000, :frozen 0.5 :portable true :duration \"10s\"}",
			want: []scenario.Run{{Line: 2, Settings: []scenario.Setting{
				{Key: "scenario", Line: 2, Value: scenario.Keyword("fanout")},
				{Key: "url", Line: 2, Value: []any{"ws://a/", "ws://b/"}},
				{Key: "subscribers", Line: 3, Value: int64(1000)},
				{Key: "frozen", Line: 3, Value: 0.5},
				{Key: "portable", Line: 3, Value: true},
				{Key: "duration", Line: 3, Value: "10s"},
			}}},
		},
		{
			name:   "a vector",
			in:     "[{:a 1}\n #_ {:off true}\n {:a -2}]",
			vector: true,
			want: []scenario.Run{
				{Line: 1, Settings: []scenario.Setting{{Key: "a", Line: 1, Value: int64(1)}}},
				{Line: 3, Settings: []scenario.Setting{{Key: "a", Line: 3, Value: int64(-2)}}},
			},
		},
		{
			name: "values that nothing takes",
			in:   `{:a nil :b {:c 1} :d (1) :e #{1} :f 1/2 :g 99999999999999999999 :h ##NaN :i 10N :j \x :k [sym] :l #:m{:n 1}}`,
			want: []scenario.Run{{Line: 1, Settings: []scenario.Setting{
				{Key: "a", Line: 1, Value: scenario.Other("nil")},
				{Key: "b", Line: 1, Value: scenario.Other("a map")},
				{Key: "d", Line: 1, Value: scenario.Other("a list")},
				{Key: "e", Line: 1, Value: scenario.Other("a set")},
				{Key: "f", Line: 1, Value: scenario.Other("1/2")},
				{Key: "g", Line: 1, Value: scenario.Other("99999999999999999999")},
				{Key: "h", Line: 1, Value: scenario.Other("##NaN")},
				{Key: "i", Line: 1, Value: scenario.Other("10N")},
				{Key: "j", Line: 1, Value: scenario.Other(`\x`)},
				{Key: "k", Line: 1, Value: []any{scenario.Other("sym")}},
				{Key: "l", Line: 1, Value: scenario.Other("a map")},
			}}},
		},
		{name: "key with a namespace", in: "#:x{:a 1}", want: []scenario.Run{{Line: 1, Settings: []scenario.Setting{{Key: "x/a", Line: 1, Value: int64(1)}}}}},
		{name: "nothing", in: " ; nothing\n", err: "empty"},
		{name: "no EDN", in: "{:a 1\n :b ]}", err: "line 2: column 5"},
		{name: "twice", in: "{:a 1 :a 2}", err: "duplicate"},
		{name: "a number", in: "\n7", err: "line 2: 7, want a map"},
		{name: "a vector of vectors", in: "[{}\n[]]", err: "line 2: a vector, want a map"},
		{name: "an empty vector", in: "[]", err: "an empty vector"},
		{name: "a key that is none", in: "{\"a\" 1}", err: `the key "a", want a keyword`},
		{name: "too long", in: strings.Repeat(" ", scenario.MaxSize+1), err: "longer than"},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			got, vector, err := scenario.Parse([]byte(tc.in))
			if tc.err != "" {
				if e, ok := errors.AsType[*scenario.Error](err); !ok || e.Line < 1 || !strings.Contains(err.Error(), tc.err) {
					t.Errorf("got %v, want %q", err, tc.err)
				}
				return
			}
			if err != nil || vector != tc.vector || !sameRuns(got, tc.want) {
				t.Errorf("got %+v, %v, %v, want %+v", got, vector, err, tc.want)
			}
		})
	}
}

func sameRuns(a, b []scenario.Run) bool { return reflect.DeepEqual(a, b) }

// FuzzParse holds that every text is either refused with a line or read whole.
func FuzzParse(f *testing.F) {
	for _, s := range []string{"{}", "[{:a 1}]", "{:a [1 [2.5 \"x\"]]}", "{:a \"\\u00e9\"}", "^{:m 1} {:a ^:x [1]}", "[", "{1 2}", "#:n{:a 1 :_/b 2}"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		runs, _, err := scenario.Parse(in)
		if err != nil {
			if e, ok := errors.AsType[*scenario.Error](err); !ok || e.Line < 1 || e.Reason == "" {
				t.Fatalf("got %v", err)
			}
			return
		}
		for _, r := range runs {
			for _, s := range r.Settings {
				if s.Key == "" || s.Line < 1 || s.Value == nil {
					t.Fatalf("got %+v", s)
				}
			}
		}
	})
}
