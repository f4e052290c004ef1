package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"syscall"
	"time"

	"github.com/hoshi-ws/hoshi/internal/config"
)

// listener is one address that a node is to listen on.
type listener struct {
	option string // the one that moves it, without dashes
	addr   config.Addr
	err    error // from net.Listen
	nats   bool  // a NATS server answers there
}

// listeners are the addresses that the options ask for.
func listeners(c *cli) []listener {
	n := &c.Run.Node
	all := []listener{{option: "listen", addr: n.Listen}, {option: "admin-listen", addr: n.AdminListen}}
	if n.MetricsListen != "" {
		all = append(all, listener{option: "metrics-listen", addr: n.MetricsListen})
	}
	if n.Embedded(&c.Shared) {
		all = append(all, listener{option: "nats-listen", addr: n.NATSListen})
		if n.NATSClusterListen != "" {
			all = append(all, listener{option: "nats-cluster-listen", addr: n.NATSClusterListen})
		}
	}
	return all
}

// probePorts listens on every address for a moment, before anything is started,
// so that all those in use are told together.
func probePorts(ctx context.Context, c *cli) error {
	var failed []listener
	for _, l := range listeners(c) {
		ln, err := new(net.ListenConfig).Listen(ctx, "tcp", string(l.addr))
		if err == nil {
			err = ln.Close()
		}
		if err != nil {
			l.err = err
			l.nats = l.option == "nats-listen" && natsAnswers(ctx, l.addr)
			failed = append(failed, l)
		}
	}
	return portsError(failed)
}

// portsError words what probePorts found, nil for nothing.
func portsError(failed []listener) error {
	var busy []listener
	var errs []error
	for _, l := range failed {
		if errors.Is(l.err, syscall.EADDRINUSE) {
			busy = append(busy, l)
			continue
		}
		errs = append(errs, fmt.Errorf("cannot listen on %s: %s (--%s moves it)", l.addr, cause(l.err), l.option))
	}
	switch len(busy) {
	case 0:
	case 1:
		l := busy[0]
		text := fmt.Sprintf("%s is in use: --%s moves it, port 0 takes a free one", l.addr, l.option)
		if l.nats {
			text = fmt.Sprintf("%s is in use by a NATS server: use that one with --nats-url %s, or move ours with --%s", l.addr, reach(l.addr), l.option)
		}
		errs = append([]error{errors.New(text)}, errs...)
	default:
		var parts []string
		for _, l := range busy {
			part := fmt.Sprintf("%s (--%s", l.addr, l.option)
			if l.nats {
				part += ", or --nats-url " + reach(l.addr) + " since NATS answers there"
			}
			parts = append(parts, part+")")
		}
		text := fmt.Sprintf("%d ports are in use, these options move them (port 0 takes a free one): %s", len(busy), strings.Join(parts, ", "))
		errs = append([]error{errors.New(text)}, errs...)
	}
	return errors.Join(errs...)
}

// natsAnswers reports whether whoever listens there greets as NATS does. Half a
// second is plenty for a server on this machine.
func natsAnswers(ctx context.Context, addr config.Addr) bool {
	ctx, cancel := context.WithTimeout(ctx, 500*time.Millisecond)
	defer cancel()
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", strings.TrimPrefix(reach(addr), "nats://"))
	if err != nil {
		return false
	}
	defer conn.Close()
	if deadline, ok := ctx.Deadline(); ok {
		if err := conn.SetReadDeadline(deadline); err != nil {
			return false
		}
	}
	greeting, err := bufio.NewReaderSize(conn, 16).Peek(5)
	return err == nil && string(greeting) == "INFO "
}

// reach is the URL of a NATS listener for somebody on this machine.
func reach(addr config.Addr) string {
	return "nats://" + local(string(addr))
}

// local replaces a host that means every interface by loopback, since nobody
// can connect to it on every system.
func local(addr string) string {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return addr
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, port)
}

// everywhere reports whether the address takes connections on every interface.
func everywhere(addr string) bool {
	host, _, err := net.SplitHostPort(addr)
	ip := net.ParseIP(host)
	return err == nil && (host == "" || ip != nil && ip.IsUnspecified())
}

// cause is the innermost part of a network error, without the address that the
// sentence around it names already.
func cause(err error) string {
	if errno, ok := errors.AsType[syscall.Errno](err); ok {
		return errno.Error()
	}
	if dns, ok := errors.AsType[*net.DNSError](err); ok {
		return dns.Err
	}
	for inner := errors.Unwrap(err); inner != nil; inner = errors.Unwrap(err) {
		err = inner
	}
	return err.Error()
}
