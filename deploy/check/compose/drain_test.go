package compose

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// nodeID is the id of the node that a container is.
func (u *system) nodeID(name string) string {
	var st struct {
		Node string `json:"node"`
	}
	if err := getJSON("http://"+u.e.w.addr(name, "watch")+":8082/health", &st); err != nil || len(st.Node) != 12 {
		u.t.Fatalf("the id of %s: %q, %v", name, st.Node, err)
	}
	return st.Node
}

// drain drains one node while pages are open and others come all the time.
func (u *system) drain() {
	const pages, victim = 24, "hoshi2"
	id := u.nodeID(victim)
	var on, moved, again atomic.Int64 // pages on that node; closed with 1012; back on another
	var all sync.WaitGroup
	ctx := make(chan struct{})
	var opened []*page
	for i := range pages {
		p, err := open(published, fmt.Sprint("user-", i))
		if err != nil {
			u.t.Fatal(err)
		}
		opened = append(opened, p)
		if p.node == id {
			on.Add(1)
		}
	}
	for _, p := range opened {
		all.Go(func() {
			stay := p
			defer func() { _ = stay.conn.Close() }()
			if p.node != id {
				<-ctx
				return
			}
			_ = p.conn.SetDeadline(time.Now().Add(patience))
			for {
				if _, err := p.next(); err == nil {
					continue
				} else if c, ok := errors.AsType[closed](err); !ok || c.code != 1012 {
					u.t.Errorf("a page of the node was ended by %v", err)
					return
				}
				break
			}
			moved.Add(1)
			_ = p.conn.Close()
			back, err := open(published, p.uid)
			if err != nil {
				u.t.Errorf("%s does not come back: %v", p.uid, err)
				return
			}
			stay = back
			if back.node == id {
				u.t.Errorf("%s comes back to the node that is drained", p.uid)
			}
			again.Add(1)
			<-ctx
		})
	}
	if n := on.Load(); n < pages/6 {
		u.t.Errorf("%d of %d pages are on %s", n, pages, victim)
	}
	come := int64(0)
	all.Go(func() { // new ones all the time
		for {
			p, err := open(published, "passer-by")
			if err != nil {
				u.t.Errorf("a new page is refused: %v", err)
				return
			}
			_ = p.conn.Close()
			come++
			select {
			case <-ctx:
				return
			case <-time.After(30 * time.Millisecond):
			}
		}
	})
	c := u.runs[victim]
	if out, err := c.exec("/hoshi", "drain"); err != nil {
		u.t.Error(err)
	} else {
		u.t.Logf("hoshi drain: %s", strings.TrimSpace(out))
	}
	if code := c.ended(u.t, time.Duration(*c.s.StopGracePeriod)); code != 0 {
		u.t.Errorf("%s has ended with %d", victim, code)
	}
	u.eventually("HAProxy has taken it out", func() error { return u.serves("hoshi1", "hoshi3") })
	u.eventually("the pages are back", func() error {
		if again.Load() != on.Load() {
			return fmt.Errorf("%d of %d", again.Load(), on.Load())
		}
		return nil
	})
	// As restart: unless-stopped has it, here with another address.
	u.runs[victim] = u.e.up(u.t, victim)
	u.runs[victim].healthy(u.t)
	u.eventually("HAProxy has it again", func() error { return u.serves(nodeNames...) })
	close(ctx)
	all.Wait()
	u.t.Logf("%d pages of %s were closed with 1012 and came back, %d new ones came meanwhile", moved.Load(), victim, come)
	if moved.Load() != on.Load() {
		u.t.Errorf("%d pages were told, %d were there", moved.Load(), on.Load())
	}
}

// down stops services in the reversed order, each in its time and with success: a page
// that is open to the end is cut off by the balancer's, and holds up nobody.
func (u *system) down() {
	p, err := open(published, "last")
	if err != nil {
		u.t.Fatal(err)
	}
	defer p.conn.Close()
	for _, name := range slices.Backward(u.order) {
		began := time.Now()
		if code := u.runs[name].end(u.t); code != 0 {
			u.t.Errorf("%s has ended with %d", name, code)
		}
		u.t.Logf("%s has ended after %v", name, time.Since(began).Round(time.Millisecond))
	}
}
