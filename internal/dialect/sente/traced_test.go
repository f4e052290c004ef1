package sente_test

import (
	"errors"
	"testing"

	"github.com/hoshi-ws/hoshi/internal/dialect"
	"github.com/hoshi-ws/hoshi/internal/dialect/sente"
	"github.com/hoshi-ws/hoshi/pkg/codec"
)

// TestTraced has events come alone and within a :hoshi/traced, in every form and
// format.
func TestTraced(t *testing.T) {
	const args = `{:traceparent "00-x" :event `
	for f := range codec.Format(codec.Formats) {
		p := sente.New(f).NewParser()
		for _, tt := range []struct{ alone, traced, prefix string }{
			{`[[:app/x {:a 1}] "cb"]`, `[[:hoshi/traced ` + args + `[:app/x {:a 1}]}] "cb"]`, ""},
			{`[[:app/x] nil]`, `[[:hoshi/traced ` + args + `[:app/x]}] nil]`, ""},
			{`[[:app/x]]`, `[[:hoshi/traced ` + args + `[:app/x]}]]`, ""},
			{`[[:app/x 7] "cb"]`, `[[:hoshi/traced ` + args + `[:app/x 7]}] "cb"]`, "+"},
			{`[:app/x 7]`, `[:hoshi/traced ` + args + `[:app/x 7]}]`, "-"},
			{`[[:sente-lite/publish {:channel-id "a" :data [1]}] nil]`, `[[:hoshi/traced ` + args + `[:sente-lite/publish {:channel-id "a" :data [1]}]}] nil]`, ""},
		} {
			if f.Binary() && tt.prefix != "" {
				continue
			}
			var cmd dialect.Command
			if err := p.Parse(append([]byte(tt.prefix), in(t, f, tt.alone)...), &cmd); err != nil {
				t.Fatalf("%s in %s: %v", tt.alone, f, err)
			}
			want := commandOf(t, f, &cmd)
			if err := p.Parse(append([]byte(tt.prefix), in(t, f, tt.traced)...), &cmd); err != nil {
				t.Errorf("%s in %s: %v", tt.traced, f, err)
				continue
			}
			if got := commandOf(t, f, &cmd); got != want || cmd.Traced == nil || string(cmd.Traced.Parent) != "00-x" {
				t.Errorf("%s in %s:\n%+v, want\n%+v", tt.traced, f, got, want)
			}
		}
	}
}

// TestTracedRefused: what is no event is none of Sente's bad events here, which
// would have to be told from the argument of one that is.
func TestTracedRefused(t *testing.T) {
	for f := range codec.Format(codec.Formats) {
		for _, args := range []string{`nil`, `{}`, `{:event 7}`, `{:event [:hoshi/traced {:event [:app/x]}]}`, `{:event [[:app/x] "cb"]}`} {
			var cmd dialect.Command
			err := sente.New(f).NewParser().Parse(in(t, f, `[[:hoshi/traced `+args+`] "cb"]`), &cmd)
			if !errors.Is(err, dialect.BadTraced) || out(t, f, cmd.Callback) != `"cb"` {
				t.Errorf("%s in %s: %v, %+v", args, f, err, cmd)
			}
		}
	}
}
