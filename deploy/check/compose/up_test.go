package compose

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// insideName is set where a test runs in namespaces of its own, to what images has
// returned.
const insideName = "HOSHI_CHECK_INSIDE"

// notRun is what nobody here can run.
var notRun = []string{"grafana"}

// published is where the page is, on this machine.
const published = "127.0.0.1:8080"

// TestUp is `docker compose up`, a look at everything, the drain of a node, and
// `docker compose down`. It needs root.
func TestUp(t *testing.T) {
	if os.Getenv(insideName) == "" {
		enter(t, "TestUp", images(t), "ip", "busybox", "haproxy", "prometheus", "node")
		return
	}
	for _, args := range [][3]string{{"", "/", ""}, {"proc", "/proc", "proc"}, {"tmpfs", "/run/netns", "tmpfs"}} {
		if args[0] == "" { // what is mounted here is nobody else's concern
			if err := mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if err := os.MkdirAll(args[1], 0o755); err != nil {
			t.Fatal(err)
		}
		if err := mount(args[0], args[1], args[2], 0); err != nil {
			t.Fatal(err)
		}
	}
	u := newSystem(t)
	began := time.Now()
	step := func(name string, fn func()) {
		fn()
		if t.Failed() {
			t.FailNow()
		}
		t.Logf("%6.1f s: %s", time.Since(began).Seconds(), name)
	}
	step("up: every service but "+strings.Join(notRun, ", ")+" is healthy", u.up)
	step("each is as hardened as the file says", u.hardened)
	step("NATS servers know each other, nodes are ready", u.clustered)
	step("the page is there", u.page)
	step("two pages on different nodes hear each other and the backend", u.talk)
	var w *window
	step("three windows of a browser show it", func() { w = look(t); w.await(t, "ready") })
	step("an administrator sees all nodes, and a node's user does not", u.seen)
	step("Prometheus has all targets and rules, and no alert", u.watched)
	step("a node is drained and comes back, and nobody is refused", u.drain)
	step("the window that was on it is on another", func() { w.await(t, "moved") })
	step("down: everything ends in its time", u.down)
}

// up starts services when those are healthy that they depend on.
func (u *system) up() {
	var start func(name string)
	start = func(name string) {
		if u.runs[name] != nil {
			return
		}
		for _, dep := range u.e.p.Services[name].GetDependencies() {
			start(dep)
		}
		for _, dep := range u.e.p.Services[name].GetDependencies() {
			u.runs[dep].healthy(u.t)
		}
		u.runs[name] = u.e.up(u.t, name)
		u.order = append(u.order, name)
	}
	for _, name := range u.e.p.ServiceNames() {
		if slices.Contains(notRun, name) {
			continue
		}
		start(name)
		u.e.w.publish(u.t, u.e.p.Services[name])
	}
	for _, c := range u.runs {
		c.healthy(u.t)
		if im, ok := u.e.images[buildTarget(c)]; ok && !slices.Equal(im.Health.Test, c.s.HealthCheck.Test) {
			u.t.Errorf("%s: the image checks health by %q, and the compose file by %q", c.s.Name, im.Health.Test, c.s.HealthCheck.Test)
		}
	}
}

func buildTarget(c *container) string {
	if c.s.Build == nil {
		return ""
	}
	return c.s.Build.Target
}

func (u *system) hardened() {
	for name, c := range u.runs {
		for key, want := range map[string]string{"CapEff": "0000000000000000", "CapBnd": "0000000000000000", "NoNewPrivs": "1"} {
			if got := c.status(u.t, key); got != want {
				u.t.Errorf("%s: %s is %s", name, key, got)
			}
		}
		if uid := strings.Fields(c.status(u.t, "Uid")); uid[1] == "0" || uid[1] != fmt.Sprint(c.uid) {
			u.t.Errorf("%s runs as %v", name, uid)
		}
	}
}

// get returns the body of an answer that is 200.
func get(url string) ([]byte, error) {
	web := http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := web.Get(url)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<22))
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s: %.200s", url, resp.Status, body)
	}
	return body, err
}

func getJSON(url string, v any) error {
	body, err := get(url)
	if err != nil {
		return err
	}
	return json.Unmarshal(body, v)
}

// eventually polls until there is no error.
func (u *system) eventually(what string, fn func() error) {
	u.t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(100 * time.Millisecond) {
		err := fn()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			u.t.Fatalf("%s: not within %v: %v", what, patience, err)
		}
	}
}

var nodeNames = []string{"hoshi1", "hoshi2", "hoshi3"}

func (u *system) clustered() {
	for _, name := range []string{"nats1", "nats2", "nats3"} {
		u.eventually("routes of "+name, func() error {
			var z struct {
				Name   string `json:"server_name"`
				Routes []struct {
					Remote string `json:"remote_name"`
				}
			}
			if err := getJSON("http://"+u.e.w.addr(name, "bus")+":8222/routez", &z); err != nil {
				return err
			}
			others := map[string]bool{}
			for _, r := range z.Routes {
				others[r.Remote] = true
			}
			if z.Name != name || len(others) != 2 || others[name] {
				return fmt.Errorf("%s has routes to %v", z.Name, others)
			}
			return nil
		})
	}
	for _, name := range nodeNames {
		at := "http://" + u.e.w.addr(name, "watch")
		if _, err := get(at + ":8082/health/ready"); err != nil {
			u.t.Error(err)
		}
		if _, err := get(at + ":8081/health"); !errors.Is(err, unix.ECONNREFUSED) {
			u.t.Errorf("the admin listener of %s is reached from another container: %v", name, err)
		}
	}
	u.eventually("HAProxy has the nodes", func() error { return u.serves(nodeNames...) })
}

// serves says whether HAProxy gives new clients to exactly these nodes.
func (u *system) serves(want ...string) error {
	body, err := get("http://" + u.e.w.addr("balancer", "watch") + ":8404/metrics")
	if err != nil {
		return err
	}
	var up []string
	for _, name := range nodeNames {
		if strings.Contains(string(body), fmt.Sprintf(`haproxy_server_status{proxy="nodes",server=%q,state="UP"} 1`, name)) {
			up = append(up, name)
		}
	}
	if !slices.Equal(up, want) {
		return fmt.Errorf("HAProxy gives clients to %q", up)
	}
	return nil
}

func (u *system) page() {
	for path, want := range map[string]string{"/": "<title>Hoshi", "/app.js": "chsk/handshake", "/style.css": ".node"} {
		body, err := get("http://" + published + path)
		if err != nil || !strings.Contains(string(body), want) {
			u.t.Errorf("%s: %v, %.100s", path, err, body)
		}
	}
	if _, err := get("http://127.0.0.1:8404/stats"); err != nil {
		u.t.Error(err)
	}
	// Who brings no token is not let in, and pages of others are not.
	for header, want := range map[string]int{"X-Nothing: 1": http.StatusUnauthorized, "Origin: http://elsewhere.example": http.StatusForbidden} {
		r, err := http.NewRequestWithContext(u.t.Context(), http.MethodGet, "http://"+published+"/chsk?client-id=x", nil)
		if err != nil {
			u.t.Fatal(err)
		}
		name, value, _ := strings.Cut(header, ": ")
		r.Header.Set(name, value)
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			u.t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != want {
			u.t.Errorf("%s: %s, want %d", header, resp.Status, want)
		}
	}
	// Whom a node refuses is the client, which here has the address of the bridge, and
	// not the balancer.
	seen := fmt.Sprintf(`"address":%q`, u.e.w.nets["clients"].prefix.Addr().Next())
	u.eventually("the client's address in a node's log", func() error {
		for _, name := range nodeNames {
			if strings.Contains(u.runs[name].output(), seen) {
				return nil
			}
		}
		return fmt.Errorf("no node has said %s", seen)
	})
}

// talk: what one says on one node is heard on another, and so is what the backend
// pushes.
func (u *system) talk() {
	alice, err := open(published, "alice")
	if err != nil {
		u.t.Fatal(err)
	}
	defer alice.conn.Close()
	bob := alice
	for range 10 {
		if bob, err = open(published, "bob"); err != nil {
			u.t.Fatal(err)
		}
		defer bob.conn.Close()
		if bob.node != alice.node {
			break
		}
	}
	if bob.node == alice.node {
		u.t.Fatalf("eleven pages, and all on node %s", bob.node)
	}
	if alice.uid != "alice" || bob.uid != "bob" {
		u.t.Errorf("they are %q and %q", alice.uid, bob.uid)
	}
	for _, do := range []func() error{
		func() error { return alice.await("example/welcome") },
		func() error { return errors.Join(alice.subscribe("chat"), bob.subscribe("chat")) },
		func() error { return errors.Join(alice.subscribe("counter"), bob.subscribe("counter")) },
		func() error {
			return alice.send(`["sente-lite/publish", {"channel-id": "chat", "data": {"name": "alice", "text": "over nodes"}}]`)
		},
		func() error { return errors.Join(alice.await("over nodes"), bob.await("over nodes")) },
		func() error { return bob.send(`[["example/whisper", {"to": "alice", "text": "psst"}], "cb-1"]`) },
		func() error { return errors.Join(bob.await(`[{"heard":true},"cb-1"]`), alice.await("psst")) },
		func() error { return bob.send(`["example/add"]`) },
		func() error { return errors.Join(alice.await(`"n":1,"by":"bob"`), bob.await(`"n":1,"by":"bob"`)) },
		// The counter is the backend's alone.
		func() error {
			return alice.send(`[["sente-lite/publish", {"channel-id": "counter", "data": {"n": 99}}], "cb-2"]`)
		},
		func() error { return alice.await(`"forbidden"},"cb-2"]`) },
	} {
		if err := do(); err != nil {
			u.t.Fatal(err)
		}
	}
}

// seen: what the head of docker-compose.yml says of hoshi top.
func (u *system) seen() {
	said := regexp.MustCompile(`(?s)docker compose exec (.*?)hoshi1 (/hoshi top)`).FindStringSubmatch(read(u.t, composeFile))
	if said == nil {
		u.t.Fatal("docker-compose.yml does not say how to look at the cluster")
	}
	var env []string
	for word := range strings.FieldsSeq(said[1]) {
		if strings.Contains(word, "=") {
			env = append(env, word)
		}
	}
	out, err := u.runs["hoshi1"].execWith(env, "/hoshi", "top", "--once")
	if err != nil {
		u.t.Fatal(err)
	}
	for _, name := range nodeNames {
		if id := u.nodeID(name); !strings.Contains(out, id) {
			u.t.Errorf("hoshi top does not show %s, %s:\n%s", name, id, out)
		}
	}
	if out, err := u.runs["hoshi1"].exec("/hoshi", "kick", "user", "alice"); err == nil {
		u.t.Errorf("a node's user may kick:\n%s", out)
	}
}

func (u *system) watched() {
	api := "http://127.0.0.1:9090/api/v1/"
	u.eventually("targets", func() error {
		var said struct {
			Data struct {
				Active []struct {
					Labels    map[string]string `json:"labels"`
					Health    string            `json:"health"`
					LastError string            `json:"lastError"`
				} `json:"activeTargets"`
			}
		}
		if err := getJSON(api+"targets", &said); err != nil {
			return err
		}
		var up []string
		for _, target := range said.Data.Active {
			if target.Health != "up" {
				return fmt.Errorf("%v is %s: %s", target.Labels, target.Health, target.LastError)
			}
			up = append(up, target.Labels["instance"])
		}
		slices.Sort(up)
		if want := []string{"balancer:8404", "hoshi1:8082", "hoshi2:8082", "hoshi3:8082", "localhost:9090"}; !slices.Equal(up, want) {
			return fmt.Errorf("targets %q", up)
		}
		return nil
	})
	type rule struct{ Name, Type, Health, LastError, State string }
	u.eventually("rules", func() error {
		var said struct {
			Data struct{ Groups []struct{ Rules []rule } }
		}
		if err := getJSON(api+"rules", &said); err != nil {
			return err
		}
		alerts := 0
		for _, group := range said.Data.Groups {
			for _, r := range group.Rules {
				if r.Health != "ok" {
					return fmt.Errorf("%s: %s %s", r.Name, r.Health, r.LastError)
				}
				if r.Type == "alerting" {
					alerts++
				}
				if r.Type == "alerting" && r.State != "inactive" {
					return fmt.Errorf("%s is %s", r.Name, r.State)
				}
			}
		}
		if alerts == 0 {
			return errors.New("there are no alerts")
		}
		return nil
	})
	u.eventually("a metric of each node", func() error {
		var said struct {
			Data struct{ Result []any }
		}
		if err := getJSON(api+"query?query=hoshi_connections", &said); err != nil {
			return err
		}
		if len(said.Data.Result) < len(nodeNames) {
			return fmt.Errorf("hoshi_connections has %d series", len(said.Data.Result))
		}
		return nil
	})
}
