package edge

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/hoshi-ws/hoshi/internal/dialect/sente"
	"github.com/hoshi-ws/hoshi/internal/dialect/sentelite"
	"github.com/hoshi-ws/hoshi/internal/wsconn"
	"github.com/hoshi-ws/hoshi/pkg/codec"
)

// maxChannelsListed bounds the answer of /channels.
const maxChannelsListed = 10_000

// loopHangs is how long a loop may be in one turn before the node is not well any
// more. A turn takes milliseconds, and under a load that no node is made for
// perhaps a second. After 30 s no client of that loop has been answered a ping for
// half of the default idle timeout: most give up by themselves before it is over,
// and a restart costs them nothing that they still have.
const loopHangs = 30 * time.Second

// handoff is the listener of the main HTTP server: its connections come from
// the loops, which have read the request head already.
type handoff struct {
	conns chan net.Conn
	done  chan struct{}
	addr  net.Addr
	open  atomic.Int32 // connections in conns or with net/http, at most maxPlain
}

// state follows the connections of the server.
func (h *handoff) state(_ net.Conn, s http.ConnState) {
	if s == http.StateClosed || s == http.StateHijacked {
		h.open.Add(-1)
	}
}

// maxPlain bounds the plain requests that are with net/http at once, where each
// costs a goroutine and buffers; beyond it they are refused.
const maxPlain = 1024

func (h *handoff) Accept() (net.Conn, error) {
	select {
	case c := <-h.conns:
		return c, nil
	case <-h.done:
		return nil, net.ErrClosed
	}
}

func (h *handoff) Close() error {
	select {
	case <-h.done:
	default:
		close(h.done)
	}
	return nil
}

func (h *handoff) Addr() net.Addr { return h.addr }

// detach gives a connection that asks for plain HTTP to net/http. It runs on
// the loop and never comes back.
func (n *Node) detach(s *session) {
	if n.handoff.open.Add(1) > maxPlain {
		n.handoff.open.Add(-1)
		n.refuse(s, refuseBusy)
		return
	}
	conn, err := s.Detach()
	if err != nil {
		n.handoff.open.Add(-1)
		n.counts.refusedRequest("detach")
		return
	}
	n.handoff.conns <- conn // never full: see open
}

// setUpHTTP makes the servers. metrics is nil where nothing listens for it.
func (n *Node) setUpHTTP(admin, metrics net.Listener) error {
	server := func(h http.Handler) *http.Server {
		return &http.Server{
			Handler:           h,
			ReadHeaderTimeout: n.opts.HandshakeTimeout,
			IdleTimeout:       30 * time.Second,
			MaxHeaderBytes:    16 << 10,
		}
	}
	main := http.NewServeMux()
	n.health(main)
	for _, path := range []string{"/{$}", "/ws", "/chsk"} {
		main.HandleFunc("GET "+path, n.serveMain)
		main.HandleFunc("POST "+path, n.serveAjax)
		main.HandleFunc("OPTIONS "+path, n.servePreflight)
	}
	n.handoff = &handoff{conns: make(chan net.Conn, maxPlain), done: make(chan struct{}), addr: n.ws.Addr()}
	n.mainHTTP = server(main)
	// One request for each connection, in bounded time: nobody can sit here, and
	// a proxy cannot send an upgrade down a connection that has left its loop.
	n.mainHTTP.SetKeepAlivesEnabled(false)
	n.mainHTTP.ReadTimeout, n.mainHTTP.WriteTimeout = n.opts.HandshakeTimeout, n.opts.HandshakeTimeout
	n.mainHTTP.ConnState = n.handoff.state

	n.adminListener, n.metricsListener = admin, metrics
	var routes map[string]http.Handler
	if n.opts.AdminRoutes != nil {
		routes = n.opts.AdminRoutes(n)
	}
	handler, err := n.adminHandler(routes)
	if err != nil {
		return err
	}
	n.adminHTTP = server(handler)
	n.metricsHTTP = server(n.metricsHandler(routes))
	n.metricsHTTP.ReadTimeout, n.metricsHTTP.WriteTimeout = n.opts.HandshakeTimeout, n.opts.HandshakeTimeout
	return nil
}

// serve starts the goroutines that serve HTTP, which end with stopHTTP, and
// the loops.
func (n *Node) serve() {
	n.serving.Go(func() { n.serveOn(n.mainHTTP, n.handoff) })
	n.serving.Go(func() { n.serveOn(n.adminHTTP, n.adminListener) })
	if n.metricsListener != nil {
		n.serving.Go(func() { n.serveOn(n.metricsHTTP, n.metricsListener) })
	}
	n.serving.Go(func() { n.tellLosses(n.handoff.done) })
	n.ws.Start()
}

func (n *Node) serveOn(s *http.Server, l net.Listener) {
	if err := s.Serve(l); err != nil && !errors.Is(err, http.ErrServerClosed) {
		n.log.Error().Err(err).Str("addr", l.Addr().String()).Msg("http server ended")
	}
}

// closeListeners undoes listen where nothing has been served.
func (n *Node) closeListeners() {
	n.ws.Stop(context.Background(), wsconn.StatusServiceRestart, "") //nolint:errcheck // nothing was accepted
	n.closeOwn()
}

// closeOwn closes the listeners that net/http would have closed.
func (n *Node) closeOwn() {
	n.adminListener.Close()
	if n.metricsListener != nil {
		n.metricsListener.Close()
	}
}

func (n *Node) stopHTTP(ctx context.Context) error {
	err := errors.Join(n.mainHTTP.Shutdown(ctx), n.adminHTTP.Shutdown(ctx), n.metricsHTTP.Shutdown(ctx))
	if err != nil {
		err = errors.Join(err, n.mainHTTP.Close(), n.adminHTTP.Close(), n.metricsHTTP.Close())
	}
	for { // what was handed over and never accepted
		select {
		case c := <-n.handoff.conns:
			c.Close()
		default:
			return err
		}
	}
}

func (n *Node) health(mux *http.ServeMux) {
	mux.HandleFunc("GET /health", func(w http.ResponseWriter, _ *http.Request) {
		status := http.StatusOK
		answer := map[string]any{
			"status":      "ok",
			"connections": n.Connections(),
			"uptime-ms":   time.Since(n.started).Milliseconds(),
			"version":     n.opts.Version,
			"node":        n.opts.ID.String(),
		}
		if n.opts.Commit != "" {
			answer["commit"] = n.opts.Commit
		}
		if age := n.ws.Stalled(); age > n.hungAfter {
			status = http.StatusServiceUnavailable
			answer["status"], answer["reason"] = "not ok", "an event loop hangs"
			answer["loop-stalled-ms"] = age.Milliseconds()
		}
		writeJSON(w, status, answer)
	})
	mux.HandleFunc("GET /health/ready", n.serveReady)
}

// serveMain serves a plain GET of a path where there are WebSockets: a poll, or
// the hint.
func (n *Node) serveMain(w http.ResponseWriter, r *http.Request) {
	if isPoll := r.URL.Path == "/chsk" || r.URL.Query().Has("client-id"); isPoll && n.opts.Dialect != sentelite.Name {
		n.serveAjax(w, r)
		return
	}
	n.serveHint(w, r)
}

// serveHint answers a plain GET of the WebSocket path.
func (n *Node) serveHint(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Upgrade", "websocket")
	w.WriteHeader(http.StatusUpgradeRequired)
	host := r.Host
	if host == "" || strings.ContainsAny(host, " \"<>") {
		host = n.Addr().String()
	}
	var query, params []string
	add := func(name, value string) {
		query = append(query, name+"="+value)
		params = append(params, fmt.Sprintf(":%s %q", name, value))
	}
	if p := n.opts.InsecureUIDParam; p != "" {
		add(p, "alice")
	}
	if n.opts.Format != codec.EDN || n.opts.Gzip {
		add("format", "edn")
	}
	fmt.Fprintf(w, "This is Hoshi %s, a WebSocket pub/sub node.\n", n.opts.Version)
	if n.opts.Dialect != sente.Name {
		url := "ws://" + host + "/"
		if n.opts.TLS.CertFile != "" {
			url = "wss://" + host + "/"
		}
		if len(query) > 0 {
			url += "?" + strings.Join(query, "&")
		}
		fmt.Fprintf(w, `
Connect a sente-lite client, or any WebSocket client, to

  %s

Messages are EDN, one event each. To hear a channel, and to speak in it, send

  [:sente-lite/subscribe {:channel-id "lobby"}]
  [:sente-lite/publish {:channel-id "lobby" :data {:text "hello"}}]
`, url)
	}
	if n.opts.Dialect != sentelite.Name {
		opts := fmt.Sprintf(":host %q", host)
		if len(params) > 0 {
			opts += " :params {" + strings.Join(params, " ") + "}"
		}
		fmt.Fprintf(w, `
A client of Sente connects to /chsk:

  (make-channel-socket-client! "/chsk" nil {%s})
`, opts)
	}
}

// serveChannels lists the channels with subscribers on this node.
func (n *Node) serveChannels(w http.ResponseWriter, _ *http.Request) {
	type channel struct {
		ID          string `json:"channel-id"` // EDN text
		Subscribers int    `json:"subscribers"`
	}
	topics := n.channels.Topics(maxChannelsListed)
	list := make([]channel, 0, len(topics))
	for token, subscribers := range topics {
		list = append(list, channel{string(channelText(token)), subscribers})
	}
	slices.SortFunc(list, func(a, b channel) int { return strings.Compare(a.ID, b.ID) })
	writeJSON(w, http.StatusOK, map[string]any{"channels": list, "total": n.channels.Len()})
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	enc.Encode(v) //nolint:errcheck // the peer is gone
}
