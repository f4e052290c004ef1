package edge

import (
	"iter"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/hoshi-ws/hoshi/internal/auth"
	"github.com/hoshi-ws/hoshi/internal/id"
	"github.com/hoshi-ws/hoshi/pkg/bus"
)

// identity is what a request says about who comes, in which dialect and format.
type identity struct {
	voice    uint8
	protocol bool           // a subprotocol is agreed on: that of the voice
	uid      string         // token; empty where nobody vouches for a uid
	who      *auth.Identity // what a token or a certificate says; nil where there is none
	until    time.Time      // when the certificate expires, or a backend's word; zero for never
	as       string         // the uid by a backend's word, as rules see it; empty without one
	welcome  *welcome       // what a backend has said beside; nil for nothing
	addr     netip.Addr     // of a request of net/http
	conn     id.Conn        // of the session that the request makes, if it makes one

	// Of Sente, whose clients always have an id.
	client      string // as it was given
	clientToken string
}

// nilUID is the token of the uid of Sente's users without one.
const nilUID = ":sente/nil-uid"

// anyUID is no token: it asks for the tab of a client whoever its user is.
const anyUID = "*"

func (w *identity) uidOrNil() string {
	if w.uid == "" {
		return nilUID
	}
	return w.uid
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
	refusePolls = &refusal{
		status: http.StatusServiceUnavailable, reason: "polls-busy",
		body:   "Too many polls wait at this node at the moment. Try again, or another node.\n",
		header: []string{"Retry-After", "1"},
	}
	refusePath = &refusal{
		status: http.StatusNotFound, reason: "path",
		body: "There is no WebSocket here. Connect to / or /ws, and clients of Sente to /chsk.\n",
	}
	refuseClient = &refusal{
		status: http.StatusBadRequest, reason: "client-id",
		body: "A client of Sente needs exactly one client-id in the query: not blank, and at most 255 bytes.\n",
	}
	refuseTooLarge = &refusal{
		status: http.StatusRequestEntityTooLarge, reason: "too-large",
		body: "The message is longer than this node takes.\n",
	}
	refuseBody = &refusal{
		status: http.StatusBadRequest, reason: "body",
		body: "The body must be a form with one field ppstr, or with binary?=true in the query the message itself.\n",
	}
	refuseFormat = &refusal{
		status: http.StatusBadRequest, reason: "format",
		body: "The formats are edn, json, transit, transit-verbose and msgpack, each of them also with -gzip behind it.\n",
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

// clientToken returns the client-id in a query, and its token.
func clientToken(values []string) (id, token string, ok bool) {
	if len(values) != 1 || strings.TrimSpace(values[0]) == "" {
		return "", "", false
	}
	token, err := bus.StringToken(values[0])
	return values[0], token, err == nil
}

// protocolPrefix and the name of a format are a subprotocol.
const protocolPrefix = "hoshi."

// chooseVoice returns the voice of a connection, in the format that the query
// says, or else the first subprotocol that is known, or else the configuration;
// and whether the client offers the subprotocol of that format. It is false for
// a query that names none.
func (n *Node) chooseVoice(isSente bool, protocols iter.Seq[string], query []string) (number uint8, protocol, ok bool) {
	f, zipped := n.opts.Format, n.opts.Gzip
	if len(query) > 0 {
		if f, zipped, ok = parseVoice(query[0]); !ok || len(query) > 1 {
			return 0, false, false
		}
	}
	number = voiceNumber(isSente, f, zipped)
	for p := range protocols {
		name, ours := strings.CutPrefix(p, protocolPrefix)
		if !ours {
			continue
		}
		if f, zipped, known := parseVoice(name); known {
			if offered := voiceNumber(isSente, f, zipped); len(query) == 0 || offered == number {
				return offered, true, true
			}
		}
	}
	return number, false, true
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
