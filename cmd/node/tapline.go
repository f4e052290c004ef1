package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/hoshi-ws/hoshi/pkg/bus"
)

// maxShown bounds what tap shows of a body, in bytes.
const maxShown = 4096

// tapLine is what tap prints for one message: when, on what, with which
// headers, and the body.
func tapLine(at time.Time, prefix, subject string, header map[string][]string, body []byte) string {
	var b strings.Builder
	b.WriteString(at.Format("15:04:05.000"))
	b.WriteString("  ")
	b.WriteString(subjectText(prefix, subject))
	writeHeaders(&b, header)
	b.WriteString("  ")
	switch {
	case len(body) == 0:
		b.WriteString("(empty)")
	case !utf8.Valid(body):
		fmt.Fprintf(&b, "(%d bytes that are no text)", len(body))
	case len(body) > maxShown:
		end := maxShown
		for !utf8.RuneStart(body[end]) {
			end--
		}
		fmt.Fprintf(&b, "%s... (%d bytes)", printable(string(body[:end])), len(body))
	default:
		b.WriteString(printable(string(body)))
	}
	return b.String()
}

// subjectText makes a subject readable: what it addresses, and the name behind
// its token. What is no subject of ours is shown as it is.
func subjectText(prefix, subject string) string {
	rest, ok := strings.CutPrefix(subject, prefix+".")
	if !ok {
		return printable(subject)
	}
	kind, name, _ := strings.Cut(rest, ".")
	switch kind {
	case "user", "chan", "client":
		if text, err := bus.ParseToken(name); err == nil {
			return kind + " " + printable(string(text))
		}
	case "conn":
		if _, conn, ok := strings.Cut(name, "."); ok && conn != "" {
			return "conn " + printable(strings.TrimPrefix(conn, "conn-"))
		}
	case "event":
		if name != "" {
			return "event " + printable(name)
		}
	case "all":
		if name == "" {
			return "all"
		}
	}
	return printable(subject)
}

// headerNames are the headers that tap shows under a short name, in this order;
// those with a name in them are shown decoded.
var headerNames = []struct {
	header, short string
	token         bool
}{
	{header: "Hoshi-From", short: "from"},
	{header: "Hoshi-Conn", short: "conn"},
	{header: "Hoshi-Uid", short: "uid", token: true},
	{header: "Hoshi-Client", short: "client", token: true},
	{header: "Hoshi-Exclude", short: "not to"},
	{header: "Hoshi-Error", short: "error"},
	{header: "Content-Type", short: "as"},
}

func writeHeaders(b *strings.Builder, header map[string][]string) {
	shown := map[string]bool{}
	for _, h := range headerNames {
		shown[h.header] = true
		for _, value := range header[h.header] {
			if h.token {
				if text, err := bus.ParseToken(value); err == nil {
					value = string(text)
				}
			}
			fmt.Fprintf(b, "  %s %s", h.short, printable(value))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(header)) {
		if !shown[name] && name != "traceparent" {
			for _, value := range header[name] {
				fmt.Fprintf(b, "  %s: %s", printable(name), printable(value))
			}
		}
	}
}
