package k8s_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	core "k8s.io/api/core/v1"
)

// cluster is a bundle that runs here: the same files, variables and commands,
// with names and ports of the cluster replaced by addresses of this machine.
type cluster struct {
	b       *bundle
	secrets map[string]map[string]string
	here    map[string]string // host:port of the cluster -> of this machine
	addrs   []string          // where NATS listens: for clients, routes, and looks; of each pod
}

// localise replaces the addresses of the cluster in a value.
func (c *cluster) localise(value string) string {
	for there, here := range c.here {
		value = strings.ReplaceAll(value, there, here)
	}
	return value
}

// files writes what a container finds mounted below root, and replaces in the
// variables where that is.
func (c *cluster) files(t *testing.T, w *workload, env map[string]string, root string, edit func(name, text string) string) {
	t.Helper()
	write := func(at, text string) {
		file := filepath.Join(root, at)
		if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o700), os.WriteFile(file, []byte(text), 0o600)); err != nil {
			t.Fatal(err)
		}
		for k, v := range env {
			if v == at {
				env[k] = file
			}
		}
	}
	for _, m := range w.container().VolumeMounts {
		for _, v := range w.template.Spec.Volumes {
			switch {
			case v.Name != m.Name:
			case v.Secret != nil:
				for _, item := range v.Secret.Items {
					text, _ := secretValue(c.b, c.secrets, v.Secret.SecretName, item.Key)
					write(path.Join(m.MountPath, item.Path), text)
				}
			case v.ConfigMap != nil:
				config, _ := named[*core.ConfigMap](c.b, v.ConfigMap.Name)
				for name, text := range config.Data {
					write(path.Join(m.MountPath, name), edit(name, text))
				}
			}
		}
	}
}

// env is what a container has in its environment, here.
func (c *cluster) env(t *testing.T, w *workload, pod string) map[string]string {
	t.Helper()
	env, bad := environment(c.b, w, c.secrets, pod)
	if len(bad) > 0 {
		t.Fatal(bad)
	}
	for k, v := range env {
		env[k] = c.localise(v)
	}
	return env
}

// natsPod is one pod of NATS.
type natsPod struct {
	*process
	monitor string
}

// startNATS starts the pods of the StatefulSet, where they were before if they
// were somewhere.
func (c *cluster) startNATS(t *testing.T) []natsPod {
	t.Helper()
	w, s, ok := servers(c.b)
	if !ok {
		t.Fatal("there is no NATS")
	}
	n := int(*s.Spec.Replicas)
	if c.addrs == nil {
		c.addrs = freeAddrs(t, 3*n)
	}
	addrs := c.addrs
	for i := range n {
		host := fmt.Sprintf("%s-%d.%s", s.Name, i, s.Spec.ServiceName)
		c.here[host+":4222"], c.here[host+":6222"] = addrs[3*i], addrs[3*i+1]
	}
	var started []natsPod
	for i := range n {
		root := t.TempDir()
		env := c.env(t, w, fmt.Sprintf("%s-%d", s.Name, i))
		c.files(t, w, env, root, func(name, text string) string {
			text = strings.ReplaceAll(text, "_file: /etc/", "_file: "+root+"/etc/")
			if name != "nats.conf" {
				return text
			}
			for old, with := range map[string]string{
				"\nport: 4222\n":      "\nlisten: \"" + addrs[3*i] + "\"\n",
				"\n  port: 6222\n":    "\n  listen: \"" + addrs[3*i+1] + "\"\n",
				"\nhttp_port: 8222\n": "\nhttp: \"" + addrs[3*i+2] + "\"\n",
				"store_dir: /data":    "store_dir: \"" + filepath.Join(root, "data") + "\"",
			} {
				if strings.Count(text, old) != 1 {
					t.Fatalf("nats.conf has not one %q", old)
				}
				text = strings.Replace(text, old, with, 1)
			}
			return text
		})
		command := w.container().Command
		p := start(t, env, program(t, command[0]), command[1], filepath.Join(root, command[2]))
		started = append(started, natsPod{p, addrs[3*i+2]})
	}
	return started
}

// TestRuns runs dev and production with the very configuration, variables and
// secrets that pods have.
func TestRuns(t *testing.T) {
	f := gather(t)
	for _, overlay := range []string{"dev", "production"} {
		t.Run(overlay, func(t *testing.T) {
			t.Parallel()
			c := &cluster{b: mustBuild(t, filepath.Join(manifests, "overlays", overlay)), secrets: made(t, f), here: map[string]string{}}
			nats := c.startNATS(t)
			w, _, _ := servers(c.b)
			for _, s := range nats {
				for kind, get := range probes(w.container()) {
					eventually(t, kind+" of NATS", s.process, func() error { return answers("http://" + s.monitor + get.Path) })
				}
				eventually(t, "routes", s.process, func() error { return routed(s.monitor, len(nats)-1) })
				eventually(t, "JetStream", s.process, func() error { return answers("http://" + s.monitor + "/healthz") })
				if err := stored(s.monitor, c.env(t, w, "nats-0")); err != nil {
					t.Error(err)
				}
			}

			n, _ := nodes(c.b)
			node := c.startNode(t, n, nil)
			for _, s := range nats {
				if strings.Contains(s.out.String(), "Violation") {
					t.Errorf("NATS refuses something:\n%s", s.out.String())
				}
			}
			c.speak(t, node.env["HOSHI_NATS_URL"])
			node.measures(t, f.rule)
			if overlay == "dev" { // where clients need no token
				second := c.startNode(t, n, map[string]string{"HOSHI_DRAIN_TIME": "4s"})
				second.drains(t)
				node.loses(t, nats)
				c.awaits(t, n)
				node.end(t)
				return
			}
			node.end(t)
			// A server without clients need not wait.
			preStop := w.container().Lifecycle.PreStop.Exec.Command
			for _, s := range nats {
				args := strings.ReplaceAll(strings.Join(preStop[1:], " "), "=1", "="+strconv.Itoa(s.cmd.Process.Pid))
				if code, out := run(t, nil, program(t, preStop[0]), strings.Fields(args)...); code != 0 {
					t.Errorf("preStop of NATS: %d %s", code, out)
				}
				s.hears("lame duck") // the signal is on its way
				s.signal(t)
				if code := s.ends(t, patience); code != 0 || !strings.Contains(s.out.String(), "lame duck") {
					t.Errorf("NATS ended with %d:\n%s", code, s.out.String())
				}
			}
		})
	}
}

// speak holds that each user may do what he is for, and nothing else.
func (c *cluster) speak(t *testing.T, natsURL string) {
	t.Helper()
	w, _, _ := servers(c.b)
	passwords := c.env(t, w, "nats-0")
	for _, tt := range []struct {
		user, key string
		args      []string
		code      int
		want      string
	}{
		{user: "backend", key: "NATS_BACKEND_PASSWORD", args: []string{"pub", "all", "[:chat/hi 1]"}},
		{user: "admin", key: "NATS_ADMIN_PASSWORD", args: []string{"kick", "user", "nobody"}, want: "0"},
		{user: "backend", key: "NATS_BACKEND_PASSWORD", args: []string{"kick", "user", "nobody"}, code: 2, want: "permit"},
		{user: "node", key: "NATS_NODE_PASSWORD", args: []string{"pub", "all", "[:chat/hi 1]"}, code: 2, want: "permit"},
		{user: "backend", key: "NATS_NODE_PASSWORD", args: []string{"pub", "all", "[:chat/hi 1]"}, code: 2, want: "hoshi: "},
		{user: "", key: "NATS_NODE_PASSWORD", args: []string{"pub", "all", "[:chat/hi 1]"}, code: 2, want: "hoshi: "},
	} {
		env := map[string]string{"HOSHI_NATS_URL": natsURL}
		if tt.user != "" {
			env["HOSHI_NATS_USER"], env["HOSHI_NATS_PASSWORD"] = tt.user, passwords[tt.key]
		}
		if code, out := run(t, env, program(t, "hoshi"), tt.args...); code != tt.code || !strings.Contains(out, tt.want) {
			t.Errorf("%q with %s, %v: code %d, %s", tt.user, tt.key, tt.args, code, out)
		}
	}
}

// routed asks a NATS server how many others it has routes to.
func routed(monitor string, want int) error {
	_, body, err := asked("http://" + monitor + "/routez")
	if err != nil {
		return err
	}
	var said struct {
		Routes []struct {
			RemoteID string `json:"remote_id"`
		} `json:"routes"`
	}
	if err := json.Unmarshal([]byte(body), &said); err != nil {
		return err
	}
	others := map[string]bool{}
	for _, r := range said.Routes {
		others[r.RemoteID] = true
	}
	if len(others) != want {
		return fmt.Errorf("routes to %d servers", len(others))
	}
	return nil
}

// stored asks a NATS server what JetStream may take.
func stored(monitor string, env map[string]string) error {
	_, body, err := asked("http://" + monitor + "/jsz")
	if err != nil {
		return err
	}
	var said struct {
		Config struct {
			MaxMemory int64 `json:"max_memory"`
			MaxStore  int64 `json:"max_storage"`
		} `json:"config"`
	}
	if err := json.Unmarshal([]byte(body), &said); err != nil {
		return err
	}
	if size(env["JETSTREAM_MEMORY"]) != said.Config.MaxMemory || size(env["JETSTREAM_FILE"]) != said.Config.MaxStore {
		return fmt.Errorf("JetStream may take %+v, of %v and %v", said.Config, env["JETSTREAM_MEMORY"], env["JETSTREAM_FILE"])
	}
	return nil
}

// TestExternal starts a node for a NATS that is elsewhere, and away: it takes
// its configuration, says what it misses, and waits for it alive and not ready.
func TestExternal(t *testing.T) {
	c := &cluster{b: mustBuild(t, filepath.Join(manifests, "overlays", "external-nats")), secrets: made(t, gather(t)), here: map[string]string{}}
	away := freeAddrs(t, 1)[0]
	w, _ := nodes(c.b)
	env := c.env(t, w, "hoshi-0")
	for raw := range strings.SplitSeq(env["HOSHI_NATS_URL"], ",") {
		u, err := url.Parse(raw)
		if err != nil {
			t.Fatal(err)
		}
		c.here[u.Host] = away
	}
	n := c.newNode(t, w, nil)
	n.process = start(t, n.env, program(t, "hoshi"))
	eventually(t, "startup", n.process, func() error { return n.probe("startup") })
	n.unready(t, "before there is NATS")
	n.hears("connect to NATS at tls://" + away)
	if !strings.Contains(n.out.String(), "connect to NATS at tls://"+away) {
		t.Errorf("it does not say what it waits for:\n%s", n.out.String())
	}
	n.end(t)
}
