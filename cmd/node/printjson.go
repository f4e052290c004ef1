package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"unicode"
	"unicode/utf16"
)

// printJSON prints v for a machine, whose operator may look at it first.
func printJSON(w io.Writer, v any) error { return writeJSON(w, "  ", v) }

// writeJSON writes v as JSON, and a newline. What a terminal would obey is escaped:
// names are as their clients have chosen them, and encoding/json leaves control
// characters beyond ASCII, and those that turn the direction of text, as they are.
func writeJSON(w io.Writer, indent string, v any) error {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", indent)
	if err := enc.Encode(v); err != nil {
		return err
	}
	text := make([]byte, 0, b.Len())
	for _, r := range b.String() {
		switch {
		case r == '\n', unicode.IsPrint(r):
			text = append(text, string(r)...)
		case r > 0xffff:
			high, low := utf16.EncodeRune(r)
			text = fmt.Appendf(text, `\u%04x\u%04x`, high, low)
		default:
			text = fmt.Appendf(text, `\u%04x`, r)
		}
	}
	_, err := w.Write(text)
	return err
}
