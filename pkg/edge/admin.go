package edge

import (
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/pprof"
	"slices"
	"strings"
)

// adminHandler serves the admin listener: what an operator asks, and what the
// program around the node adds.
func (n *Node) adminHandler(routes map[string]http.Handler) (http.Handler, error) {
	mux := http.NewServeMux()
	n.health(mux)
	mux.HandleFunc("GET /stats", func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, http.StatusOK, n.Stats()) })
	mux.HandleFunc("GET /channels", n.serveChannels)
	mux.HandleFunc("POST /drain", n.serveDrain)
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	mux.HandleFunc("GET /debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	index := []string{"/health", "/health/ready", "/stats", "/channels", "POST /drain", "/debug/pprof/"}
	for _, pattern := range slices.Sorted(maps.Keys(routes)) {
		if err := addRoute(mux, pattern, routes[pattern]); err != nil {
			return nil, err
		}
		method, path, _ := strings.Cut(pattern, " ")
		if line := strings.TrimSpace(path); method == http.MethodGet {
			index = append(index, line)
		} else {
			index = append(index, method+" "+line)
		}
	}
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		io.WriteString(w, strings.Join(index, "\n")+"\n") //nolint:errcheck // the peer is gone
	})
	return noPages(mux), nil
}

// metricsRoute is the one of the admin routes that the metrics listener has too.
const metricsRoute = "GET /metrics"

// metricsHandler serves the metrics listener: nothing by which who asks could
// change something, or learn what clients have said.
func (n *Node) metricsHandler(routes map[string]http.Handler) http.Handler {
	mux := http.NewServeMux()
	n.health(mux)
	if h := routes[metricsRoute]; h != nil {
		mux.Handle(metricsRoute, h)
	}
	return mux
}

// addRoute reports the pattern that [http.ServeMux] would panic over.
func addRoute(mux *http.ServeMux, pattern string, h http.Handler) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("the admin route %q cannot be: %v", pattern, r)
		}
	}()
	if method, path, ok := strings.Cut(pattern, " "); !ok || method == "" || !strings.HasPrefix(path, "/") || h == nil {
		return fmt.Errorf("the admin route %q has no method, no path or no handler", pattern)
	}
	mux.Handle(pattern, h)
	return nil
}

// noPages keeps a page that an operator's browser shows from changing anything
// here, where the listener is within reach of the browser and of nobody else. A
// page of the same origin is refused too: there are none here, and a name can be
// made to point to 127.0.0.1 after its page was loaded.
func noPages(h http.Handler) http.Handler {
	guarded := http.NewCrossOriginProtection().Handler(h)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.Method {
		case http.MethodGet, http.MethodHead, http.MethodOptions:
		default:
			if r.Header.Get("Origin") != "" {
				http.Error(w, "the admin listener takes this from no page", http.StatusForbidden)
				return
			}
		}
		guarded.ServeHTTP(w, r)
	})
}
