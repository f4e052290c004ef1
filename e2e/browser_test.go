package e2e

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os/exec"
	"sync"
	"syscall"
	"testing"
)

// TestBrowser opens pages of browser/ in Chromium, in which Scittle runs clients
// by hand. The page and the nodes have one origin: a proxy that gives each
// request to the next of three nodes, as they come, and leaves out one that has
// once been found dead.
func TestBrowser(t *testing.T) {
	t.Parallel()
	for _, page := range []struct {
		name   string
		checks []string
		kill   int // the node that dies on the way, counted from the one that holds the page's client
	}{
		{
			name: "websocket",
			checks: []string{
				"handshake", "callbacks", "push", "pushes-in-order", "ping", "reconnected", "pushes-again", "channel", "nothing-else",
			},
		},
		{
			name: "ajax",
			checks: []string{
				"falls-back", "callbacks", "push", "pushes-in-order", "burst-in-order", "polls", "one-handshake", "subscribed", "channel",
				"goes-on-in-order",
			},
			kill: 2,
		},
		{
			name:   "lite",
			checks: []string{"handshake", "subscribed", "heard", "callback", "heard-again", "pong", "nothing-else"},
		},
	} {
		t.Run(page.name, func(t *testing.T) {
			c := newCluster(t)
			c.args = []string{"--insecure-uid-param", "uid", "--origins", "*"}
			c.startEmbedded(t, 3)
			site := serveSite(t, c)
			var backend *process
			scenario{
				name:   page.name,
				checks: page.checks,
				start: func(t *testing.T, c *cluster) *process {
					return c.javascript(t, "browser/run.mjs", chromium(t), site.url+"/"+page.name+".html")
				},
				signal: map[string]func(*testing.T, *cluster){
					// On another node than the page's client, which the first request has reached.
					"backend": func(t *testing.T, c *cluster) { backend = c.senteBackend(t, 1) },
					"kill": func(t *testing.T, c *cluster) {
						n := c.nodes[page.kill]
						if err := n.cmd.Process.Kill(); err != nil {
							t.Errorf("kill %s: %v", n.name, err)
						}
						n.ended(t)
					},
				},
			}.run(t, c)
			if backend != nil {
				endBackend(t, backend)
			}
		})
	}
}

// site serves the pages, and passes what is for the nodes on to them.
type site struct {
	url     string
	proxies []*httputil.ReverseProxy

	mu struct {
		sync.Mutex
		next int // node
		dead []bool
	}
}

func serveSite(t *testing.T, c *cluster) *site {
	t.Helper()
	s := &site{}
	s.mu.dead = make([]bool, len(c.listen))
	for node, addr := range c.listen {
		p := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: addr})
		p.Transport = &http.Transport{DisableKeepAlives: true}
		p.ErrorHandler = func(w http.ResponseWriter, r *http.Request, _ error) {
			if r.Context().Err() == nil { // the client is still there
				s.mu.Lock()
				s.mu.dead[node] = true
				s.mu.Unlock()
			}
			w.WriteHeader(http.StatusBadGateway)
		}
		s.proxies = append(s.proxies, p)
	}
	mux := http.NewServeMux()
	mux.Handle("/scittle/", http.StripPrefix("/scittle/", http.FileServer(http.Dir("node_modules/scittle/dist"))))
	mux.Handle("/", http.FileServer(http.Dir("browser")))
	mux.HandleFunc("/chsk", s.pass)
	mux.HandleFunc("/ws", s.pass)
	server := httptest.NewServer(mux)
	t.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
	})
	s.url = server.URL
	return s
}

// pass gives the request to the next node.
func (s *site) pass(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	node := s.mu.next
	for range s.proxies {
		if !s.mu.dead[node] {
			break
		}
		node = (node + 1) % len(s.proxies)
	}
	s.mu.next = (node + 1) % len(s.proxies)
	s.mu.Unlock()
	// ReverseProxy cuts an answer off now and then where it still looks for the end
	// of the request's body when the answer comes: so that is read before.
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	s.proxies[node].ServeHTTP(w, r)
}

// chromium is Debian's, the shell without windows or the whole browser.
func chromium(t *testing.T) string {
	t.Helper()
	for _, name := range []string{"chromium-headless-shell", "chromium"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	t.Fatal("Chromium is missing, run scripts/setup.sh")
	return ""
}

// endBackend asks a backend to end, and waits for it.
func endBackend(t *testing.T, p *process) {
	t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Errorf("end %s: %v", p.name, err)
	}
	if code := p.ended(t); code != 0 {
		t.Errorf("%s ended with code %d", p.name, code)
	}
}
