package bus_test

import (
	"testing"
	"unsafe"

	"github.com/hoshi-ws/hoshi/pkg/bus"
)

// TestInterest: the subject of each kind that can be wanted, and its token in the same
// memory: with a second copy each user costs the node one string more.
func TestInterest(t *testing.T) {
	s := bus.NewSubjects("pre")
	for _, tt := range []struct {
		kind    bus.Kind
		subject string
	}{
		{kind: bus.KindChan, subject: "pre.chan.:a/b"},
		{kind: bus.KindUser, subject: "pre.user.:a/b"},
		{kind: bus.KindClient, subject: "pre.client.:a/b"},
		{kind: bus.KindAll},
		{kind: bus.KindNode},
	} {
		subject, token := s.Interest(tt.kind, ":a/b")
		if subject != tt.subject {
			t.Errorf("kind %v: subject %q, want %q", tt.kind, subject, tt.subject)
		}
		if subject == "" {
			if token != "" {
				t.Errorf("kind %v: token %q of no subject", tt.kind, token)
			}
			continue
		}
		tail := subject[len(subject)-len(":a/b"):]
		if token != ":a/b" || unsafe.StringData(token) != unsafe.StringData(tail) {
			t.Errorf("kind %v: token %q is not a part of the subject", tt.kind, token)
		}
	}
}
