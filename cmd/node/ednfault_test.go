package main

import (
	"testing"

	"github.com/hoshi-ws/hoshi/pkg/codec/edn"
)

func TestPrintable(t *testing.T) {
	for in, want := range map[string]string{
		"plain ünï":     "plain ünï",
		"a\nb\tc":       `a\nb c`,
		"\x1b[2Jx":      `\x1b[2Jx`,
		"\xff\xfe":      `\xff\xfe`,
		"right\u202eto": `right\u202eto`,
		"":              "",
	} {
		if got := printable(in); got != want {
			t.Errorf("printable(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestEDNFault(t *testing.T) {
	for _, tt := range []struct {
		name string
		text string
		at   edn.Error
		want string
	}{
		{
			name: "in the middle", text: "[:chat/hi }]", at: edn.Error{Line: 1, Column: 11, Reason: edn.ReasonDelimiter},
			want: "EVENT is not EDN: a closing delimiter that matches none that is open at line 1, column 11\n  [:chat/hi }]\n            ^",
		},
		{
			name: "second line, behind letters of two bytes", text: "[:a/b\n üü ) x]", at: edn.Error{Line: 2, Column: 7, Reason: edn.ReasonDelimiter},
			want: "EVENT is not EDN: a closing delimiter that matches none that is open at line 2, column 7\n   üü ) x]\n      ^",
		},
		{
			name: "at the end", text: "[:a/b", at: edn.Error{Line: 1, Column: 6, Reason: edn.ReasonEOF},
			want: "EVENT is not EDN: it ends inside the value that begins at line 1, column 6\n  [:a/b\n       ^",
		},
		{
			name: "nowhere", text: "", at: edn.Error{Line: 1, Column: 1, Reason: edn.ReasonEmpty},
			want: "EVENT is not EDN: there is no value at line 1, column 1\n  \n  ^",
		},
		{
			name: "a place outside", text: "x", at: edn.Error{Line: 9, Column: 1, Reason: edn.ReasonEOF},
			want: "EVENT is not EDN: it ends inside the value that begins",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := ednFault("EVENT", tt.text, &tt.at).Error(); got != tt.want {
				t.Errorf("\n got %q\nwant %q", got, tt.want)
			}
		})
	}
}
