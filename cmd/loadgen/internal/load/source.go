package load

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"syscall"
)

// maxSources bounds the addresses of a range: at 28,000 connections each there are
// no descriptors for more.
const maxSources = 1024

// ParseSources reads local addresses, each "127.0.0.2" or a range
// "127.0.0.2-127.0.0.9" with both ends in it.
func ParseSources(texts []string) ([]netip.Addr, error) {
	var all []netip.Addr
	seen := make(map[netip.Addr]bool)
	for _, text := range texts {
		from, to, isRange := strings.Cut(text, "-")
		first, err := netip.ParseAddr(from)
		if err != nil {
			return nil, fmt.Errorf("source: %q, want an address or a range such as 127.0.0.2-127.0.0.9", text)
		}
		last := first
		if isRange {
			if last, err = netip.ParseAddr(to); err != nil || last.BitLen() != first.BitLen() || last.Less(first) {
				return nil, fmt.Errorf("source: %q, want a range from a lower address to a higher one, such as 127.0.0.2-127.0.0.9", text)
			}
		}
		for a := first; ; a = a.Next() {
			if seen[a] {
				return nil, fmt.Errorf("source: %s is there twice", a)
			}
			if len(all) == maxSources {
				return nil, fmt.Errorf("source: more than %d addresses", maxSources)
			}
			seen[a] = true
			all = append(all, a)
			if a == last {
				break
			}
		}
	}
	return all, nil
}

// dialer connects from where connection i of the run comes from, with the receive
// buffer of its kind.
func (o *Options) dialer(i int, r reader) *net.Dialer {
	d := &net.Dialer{Timeout: o.Timeout}
	if len(o.Sources) > 0 {
		a := o.Sources[i%len(o.Sources)]
		d.LocalAddr = &net.TCPAddr{IP: a.AsSlice(), Zone: a.Zone()}
	}
	size := o.receiveBuffer(r)
	d.Control = func(_, _ string, raw syscall.RawConn) (err error) {
		cerr := raw.Control(func(fd uintptr) {
			if d.LocalAddr != nil {
				err = portLater(fd)
			}
			if size > 0 {
				err = errors.Join(err, setReceiveBuffer(fd, size))
			}
		})
		return errors.Join(cerr, err)
	}
	return d
}
