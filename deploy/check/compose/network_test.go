package compose

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/compose-spec/compose-go/v2/types"
	"golang.org/x/net/dns/dnsmessage"
	"golang.org/x/sys/unix"
)

// wiring is the networks of a project: a bridge for each, and for each service a
// namespace with one link to each network that it is in. This process is in the
// namespace of the bridges, as the host of an engine is.
type wiring struct {
	nets map[string]*bridge

	mu    sync.Mutex
	hosts map[string]map[string]netip.Addr // of those that run, by service and network; guarded by mu
}

type bridge struct {
	link   string
	prefix netip.Prefix
	next   netip.Addr // to be given to the next service
}

func ip(args ...string) error {
	if out, err := exec.Command("ip", args...).CombinedOutput(); err != nil {
		return fmt.Errorf("ip %s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(string(out)))
	}
	return nil
}

// newWiring makes the bridges.
func newWiring(p *types.Project) (*wiring, error) {
	w := &wiring{nets: map[string]*bridge{}, hosts: map[string]map[string]netip.Addr{}}
	if err := ip("link", "set", "lo", "up"); err != nil {
		return nil, err
	}
	for k, name := range slices.Sorted(maps.Keys(p.Networks)) {
		b := &bridge{link: fmt.Sprintf("br%d", k), prefix: netip.MustParsePrefix(fmt.Sprintf("172.31.%d.0/24", k))}
		if c := p.Networks[name].Ipam.Config; len(c) > 0 {
			b.prefix = netip.MustParsePrefix(c[0].Subnet)
		}
		gateway := b.prefix.Addr().Next()
		b.next = gateway.Next()
		for _, args := range [][]string{
			{"link", "add", b.link, "type", "bridge"},
			{"addr", "add", fmt.Sprintf("%s/%d", gateway, b.prefix.Bits()), "dev", b.link},
			{"link", "set", b.link, "up"},
		} {
			if err := ip(args...); err != nil {
				return nil, err
			}
		}
		w.nets[name] = b
	}
	return w, nil
}

// address gives an address of the network that nobody has had; fixed is one that the
// service names itself.
func (b *bridge) address(fixed string) netip.Addr {
	if fixed != "" {
		return netip.MustParseAddr(fixed)
	}
	a := b.next
	b.next = b.next.Next()
	return a
}

// join makes the service's namespace and its links, with new addresses each time, and
// answers there what names mean. What it answers ends with ctx.
func (w *wiring) join(ctx context.Context, s types.ServiceConfig) error {
	ns := s.Name
	if err := ip("netns", "add", ns); err != nil {
		return err
	}
	if err := ip("-n", ns, "link", "set", "lo", "up"); err != nil {
		return err
	}
	has := map[string]netip.Addr{}
	for k, name := range slices.Sorted(maps.Keys(s.Networks)) {
		b := w.nets[name]
		fixed := ""
		if c := s.Networks[name]; c != nil {
			fixed = c.Ipv4Address
		}
		a := b.address(fixed)
		has[name] = a
		here, there := "v"+strings.TrimPrefix(b.link, "br")+ns, fmt.Sprintf("eth%d", k)
		for _, args := range [][]string{
			{"link", "add", here, "type", "veth", "peer", "name", there, "netns", ns},
			{"link", "set", here, "master", b.link},
			{"link", "set", here, "up"},
			{"-n", ns, "addr", "add", fmt.Sprintf("%s/%d", a, b.prefix.Bits()), "dev", there},
			{"-n", ns, "link", "set", there, "up"},
		} {
			if err := ip(args...); err != nil {
				return err
			}
		}
	}
	w.mu.Lock()
	w.hosts[s.Name] = has
	w.mu.Unlock()
	return w.serveNames(ctx, s.Name)
}

// leave takes the namespace away, and its links with it.
func (w *wiring) leave(service string) error {
	w.mu.Lock()
	delete(w.hosts, service)
	w.mu.Unlock()
	return ip("netns", "del", service)
}

// addr is an address of a service that runs.
func (w *wiring) addr(service, network string) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.hosts[service][network].String()
}

// resolve is what a name means for a service: the address of another that runs, in a
// network that both are in.
func (w *wiring) resolve(asker, name string) (netip.Addr, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, network := range slices.Sorted(maps.Keys(w.hosts[name])) {
		if _, ok := w.hosts[asker][network]; ok {
			return w.hosts[name][network], true
		}
	}
	return netip.Addr{}, false
}

// inside calls fn on a thread in the namespace, which ends with it.
func inside(ns string, fn func() error) error {
	failed := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // and never unlocks: the thread is of no more use
		failed <- func() error {
			f, err := os.Open("/run/netns/" + ns)
			if err != nil {
				return err
			}
			defer f.Close()
			if err := unix.Setns(int(f.Fd()), unix.CLONE_NEWNET); err != nil {
				return fmt.Errorf("enter %s: %w", ns, err)
			}
			return fn()
		}()
	}()
	return <-failed
}

// nameServer is where engines answer names.
const nameServer = "127.0.0.11"

func (w *wiring) serveNames(ctx context.Context, service string) error {
	var conn net.PacketConn
	if err := inside(service, func() (err error) {
		conn, err = new(net.ListenConfig).ListenPacket(ctx, "udp", nameServer+":53")
		return err
	}); err != nil {
		return err
	}
	context.AfterFunc(ctx, func() { _ = conn.Close() })
	go func() { // ends with the socket
		buf := make([]byte, 1500)
		for {
			n, from, err := conn.ReadFrom(buf)
			if err != nil {
				return
			}
			if answer, err := w.answer(service, buf[:n]); err == nil {
				_, _ = conn.WriteTo(answer, from)
			}
		}
	}()
	return nil
}

func (w *wiring) answer(asker string, question []byte) ([]byte, error) {
	var p dnsmessage.Parser
	h, err := p.Start(question)
	if err != nil {
		return nil, err
	}
	q, err := p.Question()
	if err != nil {
		return nil, err
	}
	addr, found := w.resolve(asker, strings.TrimSuffix(q.Name.String(), "."))
	head := dnsmessage.Header{ID: h.ID, Response: true, RecursionAvailable: true}
	if !found {
		head.RCode = dnsmessage.RCodeNameError
	}
	b := dnsmessage.NewBuilder(nil, head)
	if err := b.StartQuestions(); err != nil {
		return nil, err
	}
	if err := b.Question(q); err != nil {
		return nil, err
	}
	if err := b.StartAnswers(); err != nil {
		return nil, err
	}
	if found && q.Type == dnsmessage.TypeA {
		err = b.AResource(dnsmessage.ResourceHeader{Name: q.Name, Class: q.Class, TTL: 600}, dnsmessage.AResource{A: addr.As4()})
		if err != nil {
			return nil, err
		}
	}
	return b.Finish()
}

// publish listens where the service's port is published, and passes connections on to
// it, wherever it is then.
func (w *wiring) publish(t *testing.T, s types.ServiceConfig) {
	t.Helper()
	for _, port := range s.Ports {
		l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", net.JoinHostPort(port.HostIP, port.Published))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = l.Close() })
		go func() { // ends with the listener
			for {
				conn, err := l.Accept()
				if err != nil {
					return
				}
				go w.pass(conn, s, port.Target) // ends with one of the two
			}
		}()
	}
}

func (w *wiring) pass(conn net.Conn, s types.ServiceConfig, port uint32) {
	defer conn.Close()
	network := slices.Sorted(maps.Keys(s.Networks))[0]
	to, err := net.Dial("tcp", net.JoinHostPort(w.addr(s.Name, network), strconv.Itoa(int(port))))
	if err != nil {
		return
	}
	defer to.Close()
	done := make(chan struct{}, 2)
	for _, way := range [][2]net.Conn{{conn, to}, {to, conn}} {
		go func() { // ends when one side has closed
			_, _ = io.Copy(way[0], way[1])
			done <- struct{}{}
		}()
	}
	<-done
}
