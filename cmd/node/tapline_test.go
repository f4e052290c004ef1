package main

import (
	"strings"
	"testing"
	"time"
)

func TestIsBeat(t *testing.T) {
	for subject, want := range map[string]bool{
		"hoshi.nodes": true, "hoshi.sync.NABC": true, "hoshi.sync.*": true, "hoshi.api.nodes": true, "hoshi.api.sync.NABC": true, "other.nodes": false, "hoshi.api.other": false,
		"hoshi.>": false, "hoshi.*": false, "hoshi.chan.nodes": false, "hoshi.user.sync": false, "hoshi.node.aabbccddeeff.x": false,
	} {
		if got := isBeat("hoshi", subject); got != want {
			t.Errorf("isBeat(%q) = %v", subject, got)
		}
	}
}

func TestTapLine(t *testing.T) {
	at := time.Date(2026, 11, 24, 12, 0, 1, 5e6, time.UTC)
	for _, tt := range []struct {
		name    string
		subject string
		header  map[string][]string
		body    string
		want    string
	}{
		{name: "user", subject: "hoshi.user.alice@example%2Ecom", body: "[:chat/hi {:n 1}]", want: `user "alice@example.com"  [:chat/hi {:n 1}]`},
		{name: "keyword", subject: "hoshi.chan.:chat/room", header: map[string][]string{"Hoshi-From": {"conn-1"}}, body: "1", want: `chan :chat/room  from conn-1  1`},
		{name: "other value", subject: "hoshi.chan.~%5B%3Adoc%207%5D", body: "1", want: `chan [:doc 7]  1`},
		{name: "no token", subject: "hoshi.chan.%41", body: "1", want: `hoshi.chan.%41  1`},
		{name: "conn", subject: "hoshi.conn.aabbccddeeff.conn-0192f3a4", body: "1", want: `conn 0192f3a4  1`},
		{name: "all", subject: "hoshi.all", body: "1", want: `all  1`},
		{
			name: "event", subject: "hoshi.event.my.app.send", body: "[:my.app/send]",
			header: map[string][]string{"Hoshi-Uid": {":admin"}, "Hoshi-Conn": {"conn-1"}, "traceparent": {"x"}, "X": {"y"}},
			want:   `event my.app.send  conn conn-1  uid :admin  X: y  [:my.app/send]`,
		},
		{name: "not ours", subject: "_INBOX.x.1", want: `_INBOX.x.1  (empty)`},
		{name: "other prefix", subject: "other.all", body: "1", want: `other.all  1`},
		{name: "binary", subject: "hoshi.all", header: map[string][]string{"Content-Type": {"application/msgpack"}}, body: "\x81\xff", want: `all  as application/msgpack  (2 bytes that are no text)`},
		{name: "escape sequences", subject: "hoshi.all", body: "\x1b[2J\n", want: `all  \x1b[2J\n`},
		{name: "long", subject: "hoshi.all", body: strings.Repeat("ü", 4096), want: `all  ` + strings.Repeat("ü", 2048) + "... (8192 bytes)"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := tapLine(at, "hoshi", tt.subject, tt.header, []byte(tt.body))
			if want := "12:00:01.005  " + tt.want; got != want {
				t.Errorf("\n got %q\nwant %q", got, want)
			}
		})
	}
}
