package e2e

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// cluster is the system under test and all that surrounds it. Index k of one
// list belongs to index k of the others: node k is connected to server k.
type cluster struct {
	life    *testing.T // the test at whose end all of this ends
	bin     string     // the built hoshi
	dir     string     // of this package
	args    []string   // for embedded nodes, beside what makes them a cluster
	nats    []*process
	natsURL []string
	monitor []string // of each NATS server, its HTTP address
	nodes   []*process
	listen  []string // of each node, host:port

	greeted, paste string // by a node with --dev: its URL, the line to paste
}

func newCluster(t *testing.T) *cluster {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	bin, err := hoshi()
	if err != nil {
		t.Fatal(err)
	}
	return &cluster{life: t, bin: bin, dir: dir}
}

func startCluster(t *testing.T) *cluster {
	t.Helper()
	c := newCluster(t)
	tmp := t.TempDir()
	server := filepath.Join(tmp, "nats-server")
	if err := build(server, "github.com/nats-io/nats-server/v2"); err != nil {
		t.Fatal(err)
	}

	ports := freePorts(t, 12)
	routes := make([]string, 3)
	for k := range routes {
		routes[k] = fmt.Sprintf(`"nats://127.0.0.1:%d"`, ports[3+k])
	}
	for k := range 3 {
		name := fmt.Sprintf("nats-%d", k+1)
		conf := filepath.Join(tmp, name+".conf")
		text := fmt.Sprintf("server_name: %s\nlisten: \"127.0.0.1:%d\"\nhttp: \"127.0.0.1:%d\"\nmax_payload: 8MB\n"+
			"cluster { name: e2e, listen: \"127.0.0.1:%d\", routes: [%s] }\n",
			name, ports[k], ports[6+k], ports[3+k], strings.Join(routes, ", "))
		if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		c.nats = append(c.nats, start(t, t, name, tmp, nil, server, "-c", conf))
		c.natsURL = append(c.natsURL, fmt.Sprintf("nats://127.0.0.1:%d", ports[k]))
		c.monitor = append(c.monitor, fmt.Sprintf("http://127.0.0.1:%d", ports[6+k]))
		c.listen = append(c.listen, fmt.Sprintf("127.0.0.1:%d", ports[9+k]))
	}
	for k, url := range c.monitor {
		// Each server counts the routes to the two others, several to each.
		eventually(t, c.nats[k], "routes to both others", func() bool {
			var routez struct {
				Routes []struct {
					RemoteName string `json:"remote_name"`
				} `json:"routes"`
			}
			if !getJSON(url+"/routez", &routez) {
				return false
			}
			remote := map[string]bool{}
			for _, r := range routez.Routes {
				remote[r.RemoteName] = true
			}
			return len(remote) == 2
		})
	}
	for k := range 3 {
		c.nodes = append(c.nodes, nil)
		c.startNode(t, k)
	}
	return c
}

// startNode starts node k, for the first time or again, and returns when it is
// ready and connected to server k.
func (c *cluster) startNode(t *testing.T, k int) {
	t.Helper()
	c.nodes[k] = start(t, c.life, fmt.Sprintf("node-%d", k+1), c.dir, nil, c.bin,
		"--listen", c.listen[k], "--admin-listen", "127.0.0.1:0", "--nats-url", c.natsURL[k],
		"--insecure-uid-param", "uid", "--log-level", "info")
	c.awaitReady(t, k)
	eventually(t, c.nodes[k], "connected to its own server", func() bool {
		var connz struct {
			Connections []struct{} `json:"connections"`
		}
		return getJSON(c.monitor[k]+"/connz", &connz) && len(connz.Connections) >= 1
	})
}

func (c *cluster) awaitReady(t *testing.T, k int) {
	t.Helper()
	eventually(t, c.nodes[k], "ready", func() bool {
		resp, err := client.Get("http://" + c.listen[k] + "/health/ready")
		if err != nil {
			return false
		}
		_ = resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	})
}

// startEmbedded starts nodes whose embedded NATS servers form one cluster.
func startEmbedded(t *testing.T, nodes int) *cluster {
	t.Helper()
	c := newCluster(t)
	c.startEmbedded(t, nodes)
	return c
}

func (c *cluster) startEmbedded(t *testing.T, nodes int) {
	t.Helper()
	ports := freePorts(t, 3*nodes)
	for k := range nodes {
		var routes []string
		for other := range nodes {
			if other != k {
				routes = append(routes, fmt.Sprintf("127.0.0.1:%d", ports[nodes+other]))
			}
		}
		c.listen = append(c.listen, fmt.Sprintf("127.0.0.1:%d", ports[k]))
		c.natsURL = append(c.natsURL, fmt.Sprintf("nats://127.0.0.1:%d", ports[2*nodes+k]))
		args := append([]string{
			"--listen", c.listen[k], "--admin-listen", "127.0.0.1:0",
			"--nats-listen", fmt.Sprintf("127.0.0.1:%d", ports[2*nodes+k]),
			"--nats-cluster-listen", fmt.Sprintf("127.0.0.1:%d", ports[nodes+k]),
			"--nats-routes", strings.Join(routes, ","),
		}, c.args...)
		c.nodes = append(c.nodes, start(t, t, fmt.Sprintf("node-%d", k+1), c.dir, nil, c.bin, args...))
	}
	for k := range nodes {
		c.awaitReady(t, k)
	}
}

// settings is what the scripts are told.
func (c *cluster) settings(t *testing.T) []string {
	t.Helper()
	nodes := make([]string, len(c.listen))
	for k, addr := range c.listen {
		nodes[k] = "ws://" + addr + "/ws"
	}
	b, err := json.Marshal(map[string]any{
		"nodes": nodes, "nats": c.natsURL, "hoshi": c.bin, "greeted": c.greeted, "paste": c.paste,
	})
	if err != nil {
		t.Fatal(err)
	}
	return []string{"E2E_SETTINGS=" + string(b)}
}

// script starts one of clj/ under nbb.
func (c *cluster) script(t *testing.T, name string) *process {
	t.Helper()
	return start(t, t, name, c.dir, c.settings(t), nodeJS(t), filepath.Join("node_modules", "nbb", "cli.js"),
		"--classpath", "clj", filepath.Join("clj", name+".cljs"))
}

// javascript starts a program in JavaScript, named by its path in this package.
func (c *cluster) javascript(t *testing.T, file string, args ...string) *process {
	t.Helper()
	return start(t, t, file, c.dir, c.settings(t), nodeJS(t), append([]string{filepath.FromSlash(file)}, args...)...)
}

// backend starts one of backends/, connected to server k, and returns when its
// interests are in force there.
func (c *cluster) backend(t *testing.T, name string, k int) *process {
	t.Helper()
	p := start(t, c.life, name+" backend", c.dir, nil, nodeJS(t), filepath.Join("backends", name+".mjs"), c.natsURL[k])
	p.await(t, "ready")
	return p
}

func nodeJS(t *testing.T) string {
	t.Helper()
	path, err := exec.LookPath("node")
	if err != nil {
		t.Fatalf("node is missing, run scripts/setup.sh: %v", err)
	}
	for _, pkg := range []string{"nbb", "ws", "nats", "transit-js", "scittle", "playwright-core"} {
		if _, err := os.Stat(filepath.Join("node_modules", pkg, "package.json")); err != nil {
			t.Fatalf("npm package %s is missing, run scripts/setup.sh: %v", pkg, err)
		}
	}
	return path
}

// hoshi builds the node, once for all tests; TestMain removes it.
var hoshi = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "hoshi-e2e-")
	if err != nil {
		return "", err
	}
	buildDir = dir
	bin := filepath.Join(dir, "hoshi")
	return bin, build(bin, "github.com/hoshi-ws/hoshi/cmd/node", buildFlags...)
})

var buildDir string

func build(out, pkg string, flags ...string) error {
	args := append([]string{"build", "-o", out}, flags...)
	if msg, err := exec.Command("go", append(args, pkg)...).CombinedOutput(); err != nil {
		return fmt.Errorf("build %s: %w\n%s", pkg, err, msg)
	}
	return nil
}

// freePorts finds ports that can be listened on. They lie below the range from
// which the kernel picks, so that no outgoing connection and no listener on
// port 0 takes one before its process does, and are given out once, since tests
// run side by side.
func freePorts(t *testing.T, n int) []int {
	t.Helper()
	high := 32768
	if b, err := os.ReadFile("/proc/sys/net/ipv4/ip_local_port_range"); err == nil {
		if low, err := strconv.Atoi(strings.Fields(string(b))[0]); err == nil && low > 12000 {
			high = low
		}
	}
	given.Lock()
	defer given.Unlock()
	var ports []int
	for range 1000 {
		port := 10000 + rand.IntN(high-10000)
		if given.ports[port] {
			continue
		}
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err != nil {
			continue
		}
		defer func() { _ = l.Close() }() // held until all are found, so that they differ
		given.ports[port] = true
		if ports = append(ports, port); len(ports) == n {
			return ports
		}
	}
	t.Fatalf("found no %d free ports", n)
	return nil
}

// given is what freePorts has returned.
var given = struct {
	sync.Mutex
	ports map[int]bool
}{ports: map[int]bool{}}

// client keeps no connection, so that it leaves no goroutine.
var client = &http.Client{Timeout: 2 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}

func getJSON(url string, v any) bool {
	resp, err := client.Get(url)
	if err != nil {
		return false
	}
	defer func() { _ = resp.Body.Close() }()
	return resp.StatusCode == http.StatusOK && json.NewDecoder(resp.Body).Decode(v) == nil
}

// eventually polls, for what a foreign process shows but does not announce.
func eventually(t *testing.T, p *process, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for !ok() {
		if !p.running() {
			t.Fatalf("%s ended before it was %q", p.name, what)
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: not %q after %v", p.name, what, patience)
		}
		time.Sleep(20 * time.Millisecond)
	}
}
