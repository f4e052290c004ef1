package main

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"unicode"

	"github.com/hoshi-ws/hoshi/pkg/bus"
)

// TestJSONMovesNoCursor prints names that clients may have chosen.
func TestJSONMovesNoCursor(t *testing.T) {
	hostile := "\"\x1b]0;a\a \u009b2J \x7f \u202edcba \u2028 \U000e0041 \xff <é 星 🎈>\""
	plain := func(text string) {
		t.Helper()
		if i := strings.IndexFunc(text, func(r rune) bool { return r != '\n' && !unicode.IsPrint(r) }); i >= 0 {
			t.Errorf("moves the cursor from %q on: %s", text[i:], text)
		}
		if !strings.Contains(text, "<é 星 🎈>") {
			t.Errorf("cannot be read: %s", text)
		}
	}
	want := bus.WhoView{Node: "n", Conns: []bus.ConnView{{UID: hostile, ChannelNames: []string{}}}}
	var b strings.Builder
	if err := printJSON(&b, &want); err != nil {
		t.Fatal(err)
	}
	plain(b.String())
	want.Conns[0].UID = strings.ReplaceAll(hostile, "\xff", "\ufffd")
	var got bus.WhoView
	if err := json.Unmarshal([]byte(b.String()), &got); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%v, read back as %+v", err, got)
	}
	line := (&traceFlags{JSON: true}).line("n", &bus.TraceLine{Kind: bus.TracePush, Event: hostile})
	plain(line)
	var back bus.TraceLine
	if err := json.Unmarshal([]byte(line), &back); err != nil || back.Event != want.Conns[0].UID || strings.Contains(line, "\n") {
		t.Errorf("%v, %s", err, line)
	}
}
