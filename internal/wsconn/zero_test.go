package wsconn_test

import (
	"net/netip"
	"testing"
	"time"

	"github.com/hoshi-ws/hoshi/internal/wsconn"
)

// TestConnWithoutASocket: an owner may keep a Conn that was never on a loop among others. All that others do with it
// is refused.
func TestConnWithoutASocket(t *testing.T) {
	both(t, func(t *testing.T, portable bool) {
		s := start(t, wsconn.Options{Portable: portable, Join: wsconn.JoinText}, nil)
		b := s.NewBatch()
		open, shut := true, false
		for _, f := range []*wsconn.Frame{
			wsconn.NewText([]byte("text")),
			wsconn.NewDelivery(latest(3), []byte("delivery")),
			wsconn.NewDelivery(dropNewest.Within(time.Second), []byte("delivery")),
			part(dropOldest.Within(time.Second), "part"),
			wsconn.NewPing(nil),
		} {
			var c wsconn.Conn
			for name, r := range map[string]wsconn.Result{
				"enqueue":          c.Enqueue(f),
				"send":             c.Send(f),
				"batch":            b.Enqueue(&c, f, nil),
				"batch, open gate": b.Enqueue(&c, f, &open),
				"open":             c.Open(&shut, f),
				"open with nil":    c.Open(&shut, nil),
				"shut":             c.Shut(new(bool), f),
				"shut with nil":    c.Shut(new(bool), nil),
			} {
				if r != wsconn.Rejected {
					t.Errorf("%s: %v", name, r)
				}
			}
			if r := b.Enqueue(&c, f, &shut); r != wsconn.Shut || shut {
				t.Errorf("shut gate: %v, now %v", r, shut)
			}
			b.Flush()
			c.CloseAsync(1000, "")
			c.Post(func() { t.Error("ran") })
			c.Close(1000, "")
			c.Resume()
			c.SetKeepalive(&wsconn.Keepalive{Quiet: true})
			if c.RemoteAddr() != (netip.AddrPort{}) || c.Loop() != 0 {
				t.Error("has an address or a loop")
			}
		}
		c, se := s.pair()
		b.Enqueue(&se.Conn, wsconn.NewText([]byte("others go on")), nil)
		b.Flush()
		c.wantText("others go on")
		if st := s.settled(se); st.Panics != 0 || st.Discarded != 0 {
			t.Errorf("%d panics, %d discarded", st.Panics, st.Discarded)
		}
	})
}
