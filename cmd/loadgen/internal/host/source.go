package host

import (
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

// Dialer connects from the address whose turn it is: that of connection i of a run.
// With no sources the system chooses. Its control function may be wrapped.
func Dialer(sources []netip.Addr, i int) *net.Dialer {
	d := &net.Dialer{}
	if len(sources) == 0 {
		return d
	}
	a := sources[i%len(sources)]
	d.LocalAddr = &net.TCPAddr{IP: a.AsSlice(), Zone: a.Zone()}
	d.Control = control(portLater)
	return d
}

// Buffered makes the receive buffer of what d dials that many bytes.
func Buffered(d *net.Dialer, size int) {
	before, buffer := d.Control, control(func(fd uintptr) error { return setReceiveBuffer(fd, size) })
	d.Control = func(network, address string, raw syscall.RawConn) error {
		if before != nil {
			if err := before(network, address, raw); err != nil {
				return err
			}
		}
		return buffer(network, address, raw)
	}
}

func control(set func(fd uintptr) error) func(string, string, syscall.RawConn) error {
	return func(_, _ string, raw syscall.RawConn) error {
		var err error
		if cerr := raw.Control(func(fd uintptr) { err = set(fd) }); cerr != nil {
			return cerr
		}
		return err
	}
}
