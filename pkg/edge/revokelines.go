package edge

import (
	"bytes"
	"strconv"
	"strings"
	"time"

	"github.com/hoshi-ws/hoshi/internal/auth"
	"github.com/hoshi-ws/hoshi/pkg/bus"
)

// Nodes tell each other of revocations in lines: i UNTIL "JTI" for a token, u UNTIL
// BEFORE UID for a user, g UNTIL BEFORE for everybody, in milliseconds, the uid as a
// token, and - for a user whose tokens are meant whenever they were issued.

// appendEntry writes the line of a revocation.
func appendEntry(dst []byte, e *auth.Revocation) []byte {
	head := func(kind byte) {
		dst = append(dst, kind, ' ')
		dst = strconv.AppendInt(dst, e.Until.UnixMilli(), 10)
		dst = append(dst, ' ')
	}
	before := func() {
		if e.IssuedBefore.IsZero() {
			dst = append(dst, '-')
			return
		}
		dst = strconv.AppendInt(dst, e.IssuedBefore.UnixMilli(), 10)
	}
	switch {
	case e.ID != "":
		head('i')
		dst = strconv.AppendQuoteToASCII(dst, e.ID)
	case e.UID != "":
		head('u')
		before()
		dst = append(dst, ' ')
		dst = append(dst, e.UID...)
	default:
		head('g')
		before()
	}
	return append(dst, '\n')
}

// parseEntries reads lines. It leaves out those that are malformed, and is false if
// there are such.
func parseEntries(body []byte, now time.Time) (entries []auth.Revocation, ok bool) {
	ok = true
	for line := range bytes.Lines(body) {
		e, good := parseEntry(strings.TrimSuffix(string(line), "\n"))
		if !good || e.Until.After(now.Add(2*bus.MaxRevocation)) {
			ok = false
			continue
		}
		entries = append(entries, e)
	}
	return entries, ok
}

func parseEntry(line string) (e auth.Revocation, ok bool) {
	kind, rest, _ := strings.Cut(line, " ")
	until, rest, _ := strings.Cut(rest, " ")
	if e.Until, ok = parseMillis(until); !ok {
		return e, false
	}
	switch kind {
	case "i":
		id, err := strconv.Unquote(rest)
		e.ID = id
		return e, err == nil && id != "" && len(id) <= bus.MaxTokenID
	case "u":
		before, uid, _ := strings.Cut(rest, " ")
		e.UID = uid
		if before != "-" {
			e.IssuedBefore, ok = parseMillis(before)
		}
		_, err := bus.ParseToken(uid)
		return e, ok && err == nil
	case "g":
		e.IssuedBefore, ok = parseMillis(rest)
		return e, ok
	}
	return e, false
}

func parseMillis(s string) (time.Time, bool) {
	ms, err := strconv.ParseInt(s, 10, 64)
	return time.UnixMilli(ms), err == nil && ms > 0
}
