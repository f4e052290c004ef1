package codec_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/hoshi-ws/hoshi/pkg/codec"
	"github.com/hoshi-ws/hoshi/pkg/codec/value"
)

// A parser's own bound of nesting holds in every format, also after what has gone wrong, and counts the message's vectors.
func TestMaxDepth(t *testing.T) {
	levels := func(n int) []byte {
		return []byte("[[:a/b " + strings.Repeat("[", n-2) + strings.Repeat("]", n-2) + `] "cb"]`)
	}
	for _, f := range []codec.Format{codec.EDN, codec.JSON, codec.Transit, codec.TransitVerbose, codec.MessagePack} {
		t.Run(f.String(), func(t *testing.T) {
			var conv codec.Converter
			var p codec.Parser
			var e codec.Envelope
			check := func(depth int, legal bool) {
				t.Helper()
				msg, err := conv.Append(nil, levels(depth), codec.EDN, f)
				if err != nil {
					t.Fatal(err)
				}
				err = p.Parse(f, msg, &e)
				fault, bad := errors.AsType[*codec.Error](err)
				if legal && err != nil || !legal && (!bad || fault.Label() != "too-deep") {
					t.Errorf("%d levels: %v", depth, err)
				}
			}
			p.SetMaxDepth(10)
			check(11, false)
			check(10, true)
			check(200, false)
			p.SetMaxDepth(0)
			check(200, true)
			check(value.MaxDepth, true)
			p.SetMaxDepth(2 * value.MaxDepth)
			check(value.MaxDepth, true)
		})
	}
}
