package wsclient

import (
	"bytes"
	"crypto/sha1" //nolint:gosec // RFC 6455 section 4.2.2 names SHA-1
	"encoding/base64"
	"fmt"
	"strings"
)

// maxResponse bounds the head of the answer to an upgrade, in bytes.
const maxResponse = 8 << 10

// acceptGUID is the constant of RFC 6455 section 1.3.
const acceptGUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

// RefusedError is an answer to an upgrade that is not 101.
type RefusedError struct {
	// Status is the status line's code and text, Body the first line of the body.
	Status, Body string
}

// Error names the status and, where there is one, the body's first line.
func (e *RefusedError) Error() string {
	if e.Body == "" {
		return "server refuses the upgrade: " + e.Status
	}
	return fmt.Sprintf("server refuses the upgrade: %s (%s)", e.Status, e.Body)
}

// AppendUpgrade appends the upgrade request of RFC 6455 section 4.1. key is 24
// bytes of base64, target the path with its query.
func AppendUpgrade(dst []byte, host, target, key string) []byte {
	return fmt.Appendf(dst, "GET %s HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"+
		"Sec-WebSocket-Key: %s\r\nSec-WebSocket-Version: 13\r\n\r\n", target, host, key)
}

// Accept returns the value of Sec-WebSocket-Accept that answers key.
func Accept(key string) string {
	sum := sha1.Sum([]byte(key + acceptGUID)) //nolint:gosec // as above
	return base64.StdEncoding.EncodeToString(sum[:])
}

// ParseUpgrade reads the answer to an upgrade. n is the length of its head, 0
// while it is not complete; what follows it are frames. A refusal is a
// [*RefusedError].
func ParseUpgrade(in []byte, accept string) (n int, err error) {
	end := bytes.Index(in, []byte("\r\n\r\n"))
	if end < 0 {
		if len(in) > maxResponse {
			return 0, fmt.Errorf("answer to the upgrade is longer than %d bytes", maxResponse)
		}
		return 0, nil
	}
	lines := strings.Split(string(in[:end]), "\r\n")
	proto, status, _ := strings.Cut(lines[0], " ")
	if !strings.HasPrefix(proto, "HTTP/1.") {
		return 0, fmt.Errorf("answer to the upgrade is not HTTP: %.40q", lines[0])
	}
	if !strings.HasPrefix(status, "101") {
		body, _, _ := strings.Cut(string(in[end+4:]), "\n")
		return 0, &RefusedError{Status: status, Body: strings.TrimSpace(body[:min(len(body), 200)])}
	}
	for _, l := range lines[1:] {
		name, value, _ := strings.Cut(l, ":")
		if strings.EqualFold(name, "Sec-WebSocket-Accept") {
			if strings.TrimSpace(value) == accept {
				return end + 4, nil
			}
			break
		}
	}
	return 0, fmt.Errorf("answer to the upgrade lacks the right Sec-WebSocket-Accept")
}
