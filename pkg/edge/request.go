package edge

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/hoshi-ws/hoshi/internal/id"
	"github.com/hoshi-ws/hoshi/internal/wsconn/handshake"
	"github.com/hoshi-ws/hoshi/pkg/bus"
	"github.com/hoshi-ws/hoshi/pkg/codec"
)

// upgradeRequest is what an upgrade says about who comes.
type upgradeRequest struct {
	uidToken string // empty where nobody vouches for a uid
	voice    uint8
	protocol bool // a subprotocol is agreed on: that of the voice's format
}

// Refusals that need nothing of the request.
var (
	refuseUnavailable = &refusal{
		status: http.StatusServiceUnavailable, reason: "unavailable",
		body:   "This node has no NATS connection at the moment. Try again.\n",
		header: []string{"Retry-After", "1"},
	}
	refuseBusy = &refusal{
		status: http.StatusServiceUnavailable, reason: "http-busy",
		body:   "This node has too many plain requests at the moment. Try again.\n",
		header: []string{"Retry-After", "1"},
	}
	refusePath = &refusal{
		status: http.StatusNotFound, reason: "path",
		body: "There is no WebSocket here. Connect to / or /ws.\n",
	}
	refuseSente = &refusal{
		status: http.StatusNotImplemented, reason: "dialect",
		body: "This node speaks sente-lite only: connect to / or /ws, without client-id.\n",
	}
	refuseFormat = &refusal{
		status: http.StatusBadRequest, reason: "format",
		body: "The formats are edn and json.\n",
	}
	refuseQuery = &refusal{
		status: http.StatusBadRequest, reason: "query",
		body: "The query of the url is malformed.\n",
	}
	refuseUID = &refusal{
		status: http.StatusBadRequest, reason: "uid",
		body: "This cannot be a uid: it is empty, given twice, longer than a name may be, or has the shape of a conn-id.\n",
	}
)

// judge reads an upgrade request: which dialect and format, and whose socket.
func (n *Node) judge(r *handshake.Request) (upgradeRequest, *refusal) {
	var req upgradeRequest
	var query url.Values
	if raw := r.RawQuery(); raw != "" {
		var err error
		if query, err = url.ParseQuery(raw); err != nil {
			return req, refuseQuery
		}
	}
	path := r.Path()
	switch {
	case path == "/chsk" || query.Has("client-id"):
		return req, refuseSente
	case path != "/" && path != "/ws":
		return req, refusePath
	case !n.Ready():
		return req, refuseUnavailable
	}
	format, protocol, ok := chooseFormat(r, query["format"], n.opts.Format)
	if !ok {
		return req, refuseFormat
	}
	req.voice, req.protocol = senteliteIn(format), protocol
	if p := n.opts.InsecureUIDParam; p != "" && query.Has(p) {
		token, ok := uidToken(query[p])
		if !ok {
			return req, refuseUID
		}
		req.uidToken = token
	}
	return req, nil
}

// protocolPrefix and the name of a format are a subprotocol.
const protocolPrefix = "hoshi."

// chooseFormat returns the format of a connection: what the query says, or else
// the first subprotocol that is known, or else def; and whether the client
// offers the subprotocol of that format. It is false for a query that names
// none.
func chooseFormat(r *handshake.Request, query []string, def codec.Format) (f codec.Format, protocol, ok bool) {
	f = def
	if len(query) > 0 {
		if f, ok = codec.ParseFormat(query[0]); !ok || len(query) > 1 {
			return 0, false, false
		}
	}
	for p := range r.Protocols {
		name, ours := strings.CutPrefix(p, protocolPrefix)
		if offered, known := codec.ParseFormat(name); ours && known && (len(query) == 0 || offered == f) {
			return offered, true, true
		}
	}
	return f, false, true
}

// uidToken returns the token of a uid given as plain text. A uid in the shape
// of a conn-id is refused: it would be another socket's.
func uidToken(values []string) (string, bool) {
	if len(values) != 1 {
		return "", false
	}
	if _, isConn := id.ParseConn(values[0]); isConn {
		return "", false
	}
	token, err := bus.StringToken(values[0])
	return token, err == nil
}
