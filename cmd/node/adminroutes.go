package main

import (
	"net/http"

	"github.com/hoshi-ws/hoshi/internal/obs"
	"github.com/hoshi-ws/hoshi/pkg/edge"
)

// adminRoutes are what this program adds to the admin listener of its node. They
// are served from when the node is started, which may be before n.edge is set:
// it is e.
func (n *node) adminRoutes(e *edge.Node) map[string]http.Handler {
	metrics := obs.NewMetrics(obs.MetricsOptions{Stats: e.Stats, Tracing: n.tracing, Version: versionText(), Commit: commitText(), Node: e.ID().String()})
	return map[string]http.Handler{
		"GET /metrics":   metrics.Handler(),
		"GET /log-level": http.HandlerFunc(n.serveLevel),
		"PUT /log-level": http.HandlerFunc(n.takeLevel),
	}
}
