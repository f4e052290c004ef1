package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/hoshi-ws/hoshi/e2e/chaos/internal/netns"
	"github.com/hoshi-ws/hoshi/e2e/chaos/internal/proc"
	"github.com/hoshi-ws/hoshi/e2e/chaos/internal/relay"
)

// cluster is everything that is tested, and what stands between its parts. It is
// fixed after start; what changes is inside the processes and relays.
type cluster struct {
	dir    string
	nats   []*natsServer
	nodes  []*node
	spaces []*netns.Namespace // of the last NATS server, of the last node; empty without
}

// natsServer is a NATS server: where clients and who asks how it is come to.
type natsServer struct {
	*proc.Process
	addr, monitor string
	space         *netns.Namespace // nil: none
}

// node is a node. It reaches each NATS server through a relay of its own, and its
// clients come directly or through another one.
type node struct {
	*proc.Process
	number      int
	addr, admin string
	toNATS      []*relay.Relay
	clients     *relay.Relay
	space       *netns.Namespace
}

// binaries are the built programs.
type binaries struct{ hoshi, nats string }

func build(dir string) (binaries, error) {
	b := binaries{filepath.Join(dir, "hoshi"), filepath.Join(dir, "nats-server")}
	return b, errors.Join(
		proc.Build(b.hoshi, "github.com/hoshi-ws/hoshi/cmd/node"),
		proc.Build(b.nats, "github.com/nats-io/nats-server/v2"),
	)
}

const loopback = "127.0.0.1"

// startCluster starts everything and returns when all nodes are ready and all
// servers know each other. What it returns must be stopped, also with an error.
func startCluster(ctx context.Context, dir, tag string, bin binaries, spaces bool) (*cluster, error) {
	c := &cluster{dir: dir}
	if spaces {
		for k := range 2 {
			ns, err := netns.New(tag, k)
			if err != nil {
				return c, fmt.Errorf("network namespaces (they need root; --no-netns does without): %w", err)
			}
			c.spaces = append(c.spaces, ns)
		}
	}
	if err := c.startNATS(bin.nats); err != nil {
		return c, err
	}
	if err := await(ctx, "the NATS servers know each other", func() error { return c.meshed() }); err != nil {
		return c, err
	}
	if err := c.startNodes(bin.hoshi); err != nil {
		return c, err
	}
	return c, await(ctx, "the nodes are ready", func() error {
		for _, n := range c.nodes {
			s, err := n.stats(ctx)
			if err != nil {
				return fmt.Errorf("%s: %w", n.Name, err)
			}
			if !s.Ready {
				return errors.New(n.Name + " is not ready")
			}
		}
		return nil
	})
}

func (c *cluster) startNATS(bin string) error {
	ports, err := proc.Ports(3 * servers)
	if err != nil {
		return err
	}
	mesh := loopback // where the servers find each other
	if len(c.spaces) > 0 {
		mesh = c.spaces[0].Outside
	}
	var routes []string
	hosts := make([][2]string, servers) // for clients, for routes
	for k := range servers {
		hosts[k] = [2]string{loopback, mesh}
		if k == servers-1 && len(c.spaces) > 0 {
			hosts[k] = [2]string{c.spaces[0].Inside, c.spaces[0].Inside}
		}
		routes = append(routes, fmt.Sprintf(`"nats://%s:%d"`, hosts[k][1], ports[servers+k]))
	}
	for k := range servers {
		s := &natsServer{
			addr:    fmt.Sprintf("%s:%d", hosts[k][0], ports[k]),
			monitor: fmt.Sprintf("%s:%d", hosts[k][0], ports[2*servers+k]),
		}
		name := fmt.Sprintf("nats-%d", k+1)
		// Nodes must not hear of ways past the relays.
		conf := fmt.Sprintf("server_name: %s\nlisten: %q\nhttp: %q\n"+
			"cluster { name: chaos, no_advertise: true, pool_size: %d, listen: \"%s:%d\", routes: [%s] }\n",
			name, s.addr, s.monitor, routePool, hosts[k][1], ports[servers+k], strings.Join(routes, ", "))
		file := filepath.Join(c.dir, name+".conf")
		if err := os.WriteFile(file, []byte(conf), 0o600); err != nil {
			return err
		}
		argv := []string{bin, "-c", file}
		if k == servers-1 && len(c.spaces) > 0 {
			s.space = c.spaces[0]
			argv = s.space.Command(argv...)
		}
		s.Process = proc.New(name, c.dir, argv...)
		c.nats = append(c.nats, s)
		if err := s.Start(); err != nil {
			return err
		}
	}
	return nil
}

func (c *cluster) startNodes(bin string) error {
	ports, err := proc.Ports(2 * nodes)
	if err != nil {
		return err
	}
	for i := range nodes {
		n := &node{number: i}
		host, world := loopback, loopback // its own address, and ours as it sees it
		if i == nodes-1 && len(c.spaces) > 0 {
			n.space = c.spaces[1]
			host, world = n.space.Inside, n.space.Outside
		}
		n.addr, n.admin = fmt.Sprintf("%s:%d", host, ports[2*i]), fmt.Sprintf("%s:%d", host, ports[2*i+1])
		var urls []string
		for _, s := range c.nats {
			r, err := relay.New(world+":0", s.addr)
			if err != nil {
				return err
			}
			n.toNATS = append(n.toNATS, r)
			urls = append(urls, "nats://"+r.Addr())
		}
		if n.clients, err = relay.New(loopback+":0", n.addr); err != nil {
			return err
		}
		argv := []string{
			bin, "--listen", n.addr, "--admin-listen", n.admin, "--nats-url", strings.Join(urls, ","),
			"--insecure-uid-param", "uid", "--insecure-anywhere", "--log-format", "json", "--drain-time", "2s",
		}
		if n.space != nil {
			argv = n.space.Command(argv...)
		}
		n.Process = proc.New(fmt.Sprintf("node-%d", i+1), c.dir, argv...)
		c.nodes = append(c.nodes, n)
		if err := n.Start(); err != nil {
			return err
		}
	}
	return nil
}

// stop ends everything and removes the namespaces. It may be called on half a
// cluster.
func (c *cluster) stop() error {
	var errs []error
	for _, n := range c.nodes { // all at once
		if n.Process != nil {
			_ = n.Signal(syscall.SIGCONT) // it may have ended
			_ = n.Signal(syscall.SIGTERM)
		}
	}
	for _, n := range c.nodes {
		if n.Process != nil {
			errs = append(errs, n.End(syscall.SIGTERM, 15*time.Second))
		}
		for _, r := range append(n.toNATS, n.clients) {
			if r != nil {
				r.Close()
			}
		}
	}
	for _, s := range c.nats {
		_ = s.Signal(syscall.SIGCONT)
		errs = append(errs, s.End(syscall.SIGTERM, 15*time.Second))
	}
	for _, ns := range c.spaces {
		errs = append(errs, ns.Remove())
	}
	return errors.Join(errs...)
}

// routePool is how many routes share the accounts between two servers; that of the
// system has one more to itself.
const routePool = 3

// meshed says whether each server has all of its routes to all others: an account
// whose own is missing is cut in two, though the servers know each other.
func (c *cluster) meshed() error {
	for _, s := range c.nats {
		var z struct {
			Routes []struct {
				Remote string `json:"remote_name"`
			} `json:"routes"`
		}
		if err := getJSON(context.Background(), "http://"+s.monitor+"/routez", &z); err != nil {
			return err
		}
		others := map[string]int{}
		for _, r := range z.Routes {
			others[r.Remote]++
		}
		if len(others) != servers-1 {
			return fmt.Errorf("%s has routes to %d others", s.Name, len(others))
		}
		for other, n := range others {
			if n != routePool+1 {
				return fmt.Errorf("%s has %d routes to %s", s.Name, n, other)
			}
		}
	}
	return nil
}

// nodesOn returns, as bits, the nodes whose NATS server this is, and those that do
// not say.
func (c *cluster) nodesOn(ctx context.Context, s *natsServer) uint32 {
	var z struct {
		ID string `json:"server_id"`
	}
	if getJSON(ctx, "http://"+s.monitor+"/varz", &z) != nil {
		return 1<<nodes - 1
	}
	var bits uint32
	for i, n := range c.nodes {
		if st, err := n.stats(ctx); err != nil || st.Bus.ServerID == z.ID || !st.Ready {
			bits |= 1 << i
		}
	}
	return bits
}

// nodeStats is the part of /stats that is looked at.
type nodeStats struct {
	Ready       bool           `json:"ready"`
	Connections int            `json:"connections"`
	LostEvents  map[string]int `json:"lost_events"`
	Bus         struct {
		ServerID   string `json:"server_id"`
		Connects   int    `json:"connects"`
		Barriers   int    `json:"barriers"`
		PassedOver int    `json:"servers_passed_over"`
		Interests  int    `json:"interests"`
		Pending    int    `json:"interests_pending"`
	} `json:"bus"`
	Process struct {
		Goroutines int   `json:"goroutines"`
		HeapBytes  int64 `json:"heap_bytes"`
	} `json:"process"`
}

func (n *node) stats(ctx context.Context) (nodeStats, error) {
	var s nodeStats
	err := getJSON(ctx, "http://"+n.admin+"/stats", &s)
	return s, err
}

var web = &http.Client{Timeout: 2 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}

func getJSON(ctx context.Context, url string, v any) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	resp, err := web.Do(r)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", url, resp.Status)
	}
	return json.NewDecoder(resp.Body).Decode(v)
}

// patience bounds every wait for something that must come.
const patience = 60 * time.Second

// await polls until there is no error, or ctx or patience is over.
func await(ctx context.Context, what string, ok func() error) error {
	deadline := time.Now().Add(patience)
	for {
		err := ok()
		if err == nil {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%s: not within %v: %w", what, patience, err)
		}
		if err := sleep(ctx, 50*time.Millisecond); err != nil {
			return err
		}
	}
}

// sleep returns after d, or with ctx's cause before.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
