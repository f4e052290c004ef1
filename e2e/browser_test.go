package e2e

import (
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os/exec"
	"sync"
	"testing"
)

// TestBrowser opens pages of browser/ in Chromium, in which Scittle runs clients
// by hand. The page and the nodes have one origin: a proxy that gives each
// request to the next of three nodes, as they come.
func TestBrowser(t *testing.T) {
	for _, page := range []struct {
		name   string
		checks []string
	}{
		{"lite", []string{"handshake", "subscribed", "heard", "callback", "heard-again", "pong", "nothing-else"}},
	} {
		t.Run(page.name, func(t *testing.T) {
			c := newCluster(t)
			c.args = []string{"--insecure-uid-param", "uid"}
			c.startEmbedded(t, 3)
			site := serveSite(t, c)
			scenario{
				name:   page.name,
				checks: page.checks,
				start: func(t *testing.T, c *cluster) *process {
					return c.javascript(t, "browser/run.mjs", chromium(t), site.url+"/"+page.name+".html")
				},
			}.run(t, c)
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
	}
}

func serveSite(t *testing.T, c *cluster) *site {
	t.Helper()
	s := &site{}
	for _, addr := range c.listen {
		p := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: addr})
		p.Transport = &http.Transport{DisableKeepAlives: true}
		p.ErrorHandler = func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) }
		s.proxies = append(s.proxies, p)
	}
	mux := http.NewServeMux()
	mux.Handle("/scittle/", http.StripPrefix("/scittle/", http.FileServer(http.Dir("node_modules/scittle/dist"))))
	mux.Handle("/", http.FileServer(http.Dir("browser")))
	mux.HandleFunc("/ws", s.pass)
	server := httptest.NewServer(mux)
	t.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
	})
	s.url = server.URL
	return s
}

// pass gives the request to the next node, dead or alive.
func (s *site) pass(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	node := s.mu.next
	s.mu.next = (node + 1) % len(s.proxies)
	s.mu.Unlock()
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
