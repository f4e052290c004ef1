package load

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"

	"github.com/hoshi-ws/hoshi/cmd/loadgen/internal/host"
	"github.com/hoshi-ws/hoshi/cmd/loadgen/internal/report"
	"github.com/hoshi-ws/hoshi/cmd/loadgen/internal/wsclient"
)

// floodPiece is how many bytes of events a flooding client hands to the system at a time.
const floodPiece = 16 << 10

// flood is clients that send events as fast as the server takes them. They read
// what they are sent, and nobody waits for them. Each has two goroutines in
// place of the loop: they may block, and what they cost must not be the loop's.
type flood struct {
	wg    sync.WaitGroup
	conns []net.Conn

	bytes atomic.Int64
	ended atomic.Int64 // connections that the server has closed
	over  atomic.Bool  // we have closed them
}

// startFlood connects the flooding clients and lets them loose.
func (r *run) startFlood(ctx context.Context) (*flood, error) {
	f := &flood{}
	event := wsclient.AppendText(nil, floodEvent(r.opt.Size))
	piece := bytes.Repeat(event, max(1, floodPiece/len(event)))
	for i := range r.opt.Flood {
		conn, err := r.dialFlood(ctx, i)
		if err != nil {
			f.stop()
			return nil, fmt.Errorf("flooding client %d: %w", i, err)
		}
		f.conns = append(f.conns, conn)
		f.wg.Go(func() { // ends with the connection
			for {
				n, err := conn.Write(piece)
				f.bytes.Add(int64(n))
				if err != nil {
					if !f.over.Load() {
						f.ended.Add(1)
					}
					return
				}
			}
		})
		f.wg.Go(func() { _, _ = io.Copy(io.Discard, conn) }) // likewise
	}
	return f, nil
}

// floodEvent is one for backends, of which there need be none.
func floodEvent(size int) []byte {
	return fmt.Appendf(nil, `[:load/flood {:text "%s"}]`, bytes.Repeat([]byte{'x'}, size))
}

// dialFlood returns an upgraded connection.
func (r *run) dialFlood(ctx context.Context, i int) (net.Conn, error) {
	t, err := parseTarget(r.opt.URLs[i%len(r.opt.URLs)])
	if err != nil {
		return nil, err
	}
	d := host.Dialer(r.opt.Sources, i)
	d.Timeout = r.opt.Timeout
	conn, err := d.DialContext(ctx, "tcp", t.addr)
	if err != nil {
		return nil, dialError(t.addr, err)
	}
	if err := upgradeFlood(conn, t, r.client.accept); err != nil {
		_ = conn.Close()
		return nil, err
	}
	return conn, nil
}

func upgradeFlood(conn net.Conn, t target, accept string) error {
	if _, err := conn.Write(wsclient.AppendUpgrade(nil, t.addr, t.request(), upgradeKey)); err != nil {
		return err
	}
	var head []byte
	for p := make([]byte, 4096); ; {
		n, err := conn.Read(p)
		if err != nil {
			return err
		}
		head = append(head, p[:n]...)
		if n, err := wsclient.ParseUpgrade(head, accept); n > 0 || err != nil {
			return err
		}
	}
}

// stop ends the flood.
func (f *flood) stop() {
	f.over.Store(true)
	for _, conn := range f.conns {
		_ = conn.Close()
	}
	f.wg.Wait()
}

func (f *flood) result(size int) *report.Flood {
	n := f.bytes.Load()
	return &report.Flood{
		Connections: len(f.conns), Sent: n / int64(len(wsclient.AppendText(nil, floodEvent(size)))), Bytes: n, Ended: f.ended.Load(),
	}
}
