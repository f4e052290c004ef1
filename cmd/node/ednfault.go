package main

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/hoshi-ws/hoshi/pkg/codec"
	"github.com/hoshi-ws/hoshi/pkg/codec/edn"
)

// checkValue reports why text is not one EDN value, with the place. what names
// the argument.
func checkValue(what, text string) error {
	err := edn.Check([]byte(text))
	if err == nil {
		return nil
	}
	fault, ok := errors.AsType[*edn.Error](err)
	if !ok {
		return fmt.Errorf("%s is not EDN: %s", what, oneLine(err.Error()))
	}
	if fault.Reason == edn.ReasonEmpty && strings.TrimSpace(text) == "" {
		return fmt.Errorf("%s is empty", what)
	}
	return ednFault(what, text, fault)
}

// checkFile reports why the text of a configuration file is no EDN. The line at
// fault is not shown: it may hold a secret.
func checkFile(text []byte) error {
	fault, ok := errors.AsType[*edn.Error](edn.Check(text))
	if !ok {
		return nil
	}
	switch fault.Reason {
	case edn.ReasonEmpty, edn.ReasonExtra, edn.ReasonDuplicate:
		return nil // which internal/config words better, with the key
	default:
	}
	return fmt.Errorf("is not EDN: %s at line %d, column %d", reasonText(fault.Reason), fault.Line, fault.Column)
}

// checkEvent reports why text is no event that can be pushed: [id] or [id data]
// with a namespaced keyword as id.
func checkEvent(text string) error {
	if err := checkValue("EVENT", text); err != nil {
		return err
	}
	p := []byte(text)
	var (
		parser codec.Parser
		e      codec.Envelope
		scan   edn.Scanner
	)
	err := parser.EDN(p, &e)
	if err == nil {
		// A client's envelope, [[id data] "callback"], is none here.
		if whole, err := scan.Form(p, 0); err == nil && bytes.Equal(whole.Text(p), e.Event) {
			return checkID(string(e.ID))
		}
	}
	return fmt.Errorf("EVENT is no event: want [:namespace/name data], not %s", clip(text))
}

// checkID refuses what every node would drop: events in the protocol's own
// namespaces. docs/subjects.md lists them.
func checkID(id string) error {
	if id == ":chsk/close" || id == ":sente-lite/echo" {
		return nil // a node takes these two, the first not for everyone
	}
	ns, _, _ := strings.Cut(strings.TrimPrefix(id, ":"), "/")
	first, _, _ := strings.Cut(ns, ".")
	switch first {
	case "chsk", "sente", "sente-lite", "hoshi":
		return fmt.Errorf("EVENT %s is in a namespace of the protocol, which nodes do not take from backends", clip(id))
	}
	return nil
}

// clip shortens a text for the middle of a sentence.
func clip(s string) string {
	const most = 60
	r := []rune(printable(s))
	if len(r) > most {
		r = append(r[:most], []rune("...")...)
	}
	return string(r)
}

// ednFault shows the line at fault and, below it, a caret at the place.
func ednFault(what, text string, e *edn.Error) error {
	lines := strings.Split(text, "\n")
	if e.Line < 1 || e.Line > len(lines) {
		return fmt.Errorf("%s is not EDN: %s", what, reasonText(e.Reason))
	}
	line := lines[e.Line-1]
	at := min(max(e.Column-1, 0), len(line)) // bytes
	for at > 0 && at < len(line) && !utf8.RuneStart(line[at]) {
		at--
	}
	// A window around the place: an event may be a megabyte on one line.
	const before, after = 60, 40
	left, right := []rune(printable(line[:at])), []rune(printable(line[at:]))
	if len(left) > before {
		left = append([]rune("..."), left[len(left)-before:]...)
	}
	if len(right) > after {
		right = append(right[:after], []rune("...")...)
	}
	return fmt.Errorf("%s is not EDN: %s at line %d, column %d\n  %s\n  %s^",
		what, reasonText(e.Reason), e.Line, e.Column, string(left)+string(right), strings.Repeat(" ", len(left)))
}

// reasonText says in words what the reader means.
func reasonText(r edn.Reason) string {
	switch r {
	case edn.ReasonEmpty:
		return "there is no value"
	case edn.ReasonExtra:
		return "something follows the value"
	case edn.ReasonEOF:
		return "it ends inside the value that begins"
	case edn.ReasonDelimiter:
		return "a closing delimiter that matches none that is open"
	case edn.ReasonToken:
		return "no legal symbol or keyword"
	case edn.ReasonNumber:
		return "no legal number"
	case edn.ReasonString:
		return "an illegal escape in a string"
	case edn.ReasonChar:
		return "no legal character"
	case edn.ReasonDispatch:
		return "an illegal form behind #"
	case edn.ReasonTag:
		return "a tag without a namespace"
	case edn.ReasonInst:
		return "no legal #inst"
	case edn.ReasonUUID:
		return "no legal #uuid"
	case edn.ReasonMeta:
		return "illegal metadata"
	case edn.ReasonOddMap:
		return "a map with a key but no value"
	case edn.ReasonDuplicate:
		return "a key or an element twice"
	case edn.ReasonDepth:
		return "nested too deep"
	case edn.ReasonUTF8:
		return "not UTF-8"
	case edn.ReasonTooLong:
		return "too long"
	case edn.ReasonUnknown, edn.ReasonNoCanonical, edn.ReasonInexpressible, edn.ReasonCalls:
	}
	return r.String()
}

// printable replaces what could move the cursor or colour the terminal.
func printable(s string) string {
	clean := func(r rune) bool { return r != utf8.RuneError && unicode.IsPrint(r) }
	if !strings.ContainsFunc(s, func(r rune) bool { return !clean(r) }) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); {
		r, size := utf8.DecodeRuneInString(s[i:])
		switch {
		case clean(r):
			b.WriteString(s[i : i+size])
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\t':
			b.WriteByte(' ')
		case r == utf8.RuneError || r < 0x100:
			for _, c := range []byte(s[i : i+size]) {
				fmt.Fprintf(&b, `\x%02x`, c)
			}
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
		i += size
	}
	return b.String()
}
