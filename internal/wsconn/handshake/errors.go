package handshake

import "net/http"

// Reason says what is wrong with a request. It is a small set, fit for a metric label.
type Reason uint8

// The reasons for which Parse refuses.
const (
	Malformed   Reason = iota + 1 // no request line or header as RFC 9112 has it, or an ambiguous one
	TooLarge                      // the head is longer than the limit
	TooMany                       // more headers than the limit
	BadMethod                     // neither GET, HEAD, POST nor OPTIONS, or an upgrade that is no GET
	BadHTTP                       // not HTTP/1.1
	BadHost                       // no Host, or several
	HasBody                       // a body where there can be none, or one in chunks
	BadUpgrade                    // the upgrade lacks something
	BadKey                        // Sec-WebSocket-Key is missing, double, or no base64 of 16 bytes
	BadVersion                    // Sec-WebSocket-Version is not 13
	reasonCount                   // keep last
)

var reasonNames = [reasonCount]string{
	"", "malformed", "head-too-large", "too-many-headers", "method", "http-version", "host", "body", "upgrade", "key", "ws-version",
}

// reasonTexts say to whoever sent the request what to do.
var reasonTexts = [reasonCount]string{
	Malformed:  "The request head is malformed or ambiguous: RFC 9112 says what it may hold.",
	TooLarge:   "The request head is too large: shorten the URL, the cookies or the headers.",
	TooMany:    "The request has too many header lines.",
	BadMethod:  "Only GET, HEAD, POST and OPTIONS are taken here, and upgrades only as GET.",
	BadHTTP:    "Only HTTP/1.1 is taken here.",
	BadHost:    "The request needs exactly one Host header.",
	HasBody:    "Only a POST may have a body, and its length must be told in Content-Length.",
	BadUpgrade: "The upgrade is incomplete: it needs the headers Upgrade: websocket and Connection: Upgrade.",
	BadKey:     "The upgrade needs exactly one Sec-WebSocket-Key, 16 bytes in base64.",
	BadVersion: "Only version 13 of WebSocket is spoken here.",
}

// String returns a short name, for logs and metrics.
func (r Reason) String() string {
	if r < reasonCount {
		return reasonNames[r]
	}
	return "unknown"
}

// Reasons returns how many reasons there are: every Reason is below it.
func Reasons() int { return int(reasonCount) }

// Error is a request that is refused, with what to answer.
type Error struct {
	Reason Reason
	// Status is the HTTP status of the answer.
	Status int

	text string // in place of the reason's
}

// Error implements error.
func (e *Error) Error() string { return "handshake: refused: " + e.Reason.String() }

// AppendResponse appends the answer, which ends the connection.
func (e *Error) AppendResponse(dst []byte) []byte {
	var headers []string
	switch e.Status {
	case http.StatusUpgradeRequired: // RFC 6455 section 4.4
		headers = []string{"Sec-WebSocket-Version", "13", "Upgrade", "websocket"}
	case http.StatusMethodNotAllowed:
		headers = []string{"Allow", "GET, HEAD, POST, OPTIONS"}
	}
	text := e.text
	if text == "" {
		text = reasonTexts[e.Reason]
	}
	return AppendRefusal(dst, e.Status, "", text+"\n", true, headers...)
}

// refusedTLS is the answer to a greeting of TLS. Its client will hardly show it, but who looks at the wire sees it.
var refusedTLS = &Error{
	Reason: Malformed, Status: http.StatusBadRequest,
	text: "This port speaks no TLS: connect with http:// or ws://, or give the node a certificate.",
}

func refuse(r Reason) *Error {
	status := http.StatusBadRequest
	switch r {
	case TooLarge, TooMany:
		status = http.StatusRequestHeaderFieldsTooLarge
	case BadMethod:
		status = http.StatusMethodNotAllowed
	case BadHTTP:
		status = http.StatusHTTPVersionNotSupported
	case HasBody:
		status = http.StatusRequestEntityTooLarge
	case BadVersion:
		status = http.StatusUpgradeRequired
	default:
	}
	return &Error{Reason: r, Status: status}
}

func statusText(status int) string {
	if t := http.StatusText(status); t != "" {
		return t
	}
	return "Status"
}
