package bus_test

import (
	"encoding/json"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/hoshi-ws/hoshi/pkg/bus"
	"github.com/hoshi-ws/hoshi/pkg/codec/edn"
)

// tokenVectors is testdata/tokens.json, which builders of backends use as well.
type tokenVectors struct {
	Tokens []struct {
		Value, Canonical, Token string
	}
	RefusedValues []struct {
		Value, Reason string
	} `json:"refused_values"`
	RefusedTokens []struct {
		Token, Why string
	} `json:"refused_tokens"`
	Events []struct {
		ID, Subject string
	}
	RefusedEvents []struct {
		ID, Reason string
	} `json:"refused_events"`
}

func readTokenVectors(tb testing.TB) *tokenVectors {
	tb.Helper()
	p, err := os.ReadFile("testdata/tokens.json")
	if err != nil {
		tb.Fatal(err)
	}
	v := new(tokenVectors)
	if err := json.Unmarshal(p, v); err != nil {
		tb.Fatal(err)
	}
	return v
}

func nameReason(err error) string {
	if fault, ok := errors.AsType[*bus.NameError](err); ok && errors.Is(err, bus.ErrBadName) {
		return fault.Reason
	}
	return ""
}

func TestTokenVectors(t *testing.T) {
	v := readTokenVectors(t)
	if len(v.Tokens) < 40 {
		t.Fatalf("%d vectors", len(v.Tokens))
	}
	canonical := map[string]string{}
	for _, tt := range v.Tokens {
		got, err := bus.AppendToken([]byte("hoshi.user."), []byte(tt.Value))
		if err != nil || string(got) != "hoshi.user."+tt.Token {
			t.Errorf("%q: got %q, %v, want %q", tt.Value, got, err, tt.Token)
		}
		if text, err := bus.ParseToken(tt.Token); err != nil || string(text) != tt.Canonical {
			t.Errorf("%q: got %q, %v, want %q", tt.Token, text, err, tt.Canonical)
		}
		if c, ok := canonical[tt.Token]; ok && c != tt.Canonical {
			t.Errorf("%q and %q share a token", c, tt.Canonical)
		}
		canonical[tt.Token] = tt.Canonical
	}
	for _, tt := range v.RefusedValues {
		got, err := bus.AppendToken([]byte("x"), []byte(tt.Value))
		if nameReason(err) != tt.Reason || string(got) != "x" {
			t.Errorf("%.40q: got %q, %v, want %q", tt.Value, got, err, tt.Reason)
		}
	}
	for _, tt := range v.RefusedTokens {
		if text, err := bus.ParseToken(tt.Token); nameReason(err) == "" {
			t.Errorf("%.40q (%s): got %q, %v", tt.Token, tt.Why, text, err)
		}
	}
}

func TestEventSubjectVectors(t *testing.T) {
	v := readTokenVectors(t)
	for _, tt := range v.Events {
		got, err := bus.AppendEventSubject([]byte("hoshi.event."), []byte(tt.ID))
		if err != nil || string(got) != tt.Subject {
			t.Errorf("%q: got %q, %v, want %q", tt.ID, got, err, tt.Subject)
		}
	}
	for _, tt := range v.RefusedEvents {
		got, err := bus.AppendEventSubject([]byte("hoshi.event."), []byte(tt.ID))
		if nameReason(err) != tt.Reason || string(got) != "hoshi.event." {
			t.Errorf("%.40q: got %q, %v, want %q", tt.ID, got, err, tt.Reason)
		}
	}
}

// TestVectorsAgainstTheScan keeps the file true to its own claim: its canonical texts are canonical.
func TestVectorsAgainstTheScan(t *testing.T) {
	for _, tt := range readTokenVectors(t).Tokens {
		if got, err := edn.AppendCanonical(nil, []byte(tt.Value)); err != nil || string(got) != tt.Canonical {
			t.Errorf("%q: got %q, %v, want %q", tt.Value, got, err, tt.Canonical)
		}
	}
}

func TestStringToken(t *testing.T) {
	for _, tt := range []struct {
		s, token, reason string
	}{
		{"alice", "alice", ""},
		{":alice", "%3Aalice", ""},
		{"~", "%7E", ""},
		{"\x00\n", "%00%0A", ""},
		{"", "", bus.NameEmpty},
		{"\xff", "", bus.NameInvalid},
		{strings.Repeat("x", bus.MaxToken), strings.Repeat("x", bus.MaxToken), ""},
		{strings.Repeat("x", bus.MaxToken+1), "", bus.NameTooLong},
		{strings.Repeat(".", 100), "", bus.NameTooLong},
	} {
		got, err := bus.StringToken(tt.s)
		if got != tt.token || nameReason(err) != tt.reason {
			t.Errorf("%.40q: got %q, %v", tt.s, got, err)
		}
		if tt.reason != "" {
			continue
		}
		if same, err := bus.AppendToken(nil, edn.AppendString(nil, tt.s)); err != nil || string(same) != got {
			t.Errorf("%.40q: %q as EDN, %v", tt.s, same, err)
		}
	}
}

func TestCommandLineName(t *testing.T) {
	for _, tt := range []struct {
		s, text string
		ok      bool
	}{
		{"alice", `"alice"`, true},
		{"a b", `"a b"`, true},
		{"42", `"42"`, true},
		{`say "x"`, `"say \"x\""`, true},
		{":chat/room", ":chat/room", true},
		{":1", ":1", true},
		{"", "", false},
		{":", "", false},
		{"::a", "", false},
		{":a b", "", false},
		{":a ", "", false},
		{":a;c", "", false},
		{":a,", "", false},
		{":a#_b", ":a#_b", true}, // a legal keyword
		{"\xff", "", false},
		{strings.Repeat("x", 300), "", false},
		{":" + strings.Repeat("x", 300), "", false},
	} {
		got, err := bus.CommandLineName(tt.s)
		if string(got) != tt.text || tt.ok != (err == nil) || !tt.ok && nameReason(err) == "" {
			t.Errorf("%.40q: got %q, %v", tt.s, got, err)
		}
	}
}

func BenchmarkAppendToken(b *testing.B) {
	var scratch [bus.MaxToken]byte
	for _, name := range []string{`"room-42"`, `:chat/room`, `[:doc 7]`} {
		b.Run(name, func(b *testing.B) {
			p := []byte(name)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := bus.AppendToken(scratch[:0], p); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func FuzzToken(f *testing.F) {
	v := readTokenVectors(f)
	for _, tt := range v.Tokens {
		f.Add(tt.Value)
		f.Add(tt.Token)
	}
	for _, tt := range v.RefusedTokens {
		f.Add(tt.Token)
	}
	for _, tt := range v.Events {
		f.Add(tt.ID)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if token, err := bus.AppendToken(nil, []byte(s)); err == nil {
			checkToken(t, string(token))
			text, err := bus.ParseToken(string(token))
			canonical, cerr := edn.AppendCanonical(nil, []byte(s))
			if err != nil || cerr != nil || string(text) != string(canonical) {
				t.Fatalf("%q: token %q is %q, %v; canonical %q, %v", s, token, text, err, canonical, cerr)
			}
		}
		if text, err := bus.ParseToken(s); err == nil {
			checkToken(t, s)
			if again, err := bus.AppendToken(nil, text); err != nil || string(again) != s {
				t.Fatalf("%q: text %q has token %q, %v", s, text, again, err)
			}
		}
		subject, err := bus.AppendEventSubject([]byte("hoshi.event."), []byte(s))
		if err != nil {
			return
		}
		if len(subject) > bus.MaxEventSubject {
			t.Fatalf("%q: %d bytes", s, len(subject))
		}
		for level := range strings.SplitSeq(string(subject), ".") {
			checkToken(t, level)
		}
	})
}

// checkToken fails for what NATS would not take as one level of a subject, or as a wildcard.
func checkToken(t *testing.T, token string) {
	t.Helper()
	if token == "" || strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r > '~' || r == '.' || r == '*' || r == '>' }) {
		t.Fatalf("%q is no token", token)
	}
}

func TestCommonTokensDoNotAllocate(t *testing.T) {
	if tokenRace {
		return // the race detector allocates
	}
	var scratch [2 * bus.MaxToken]byte
	for _, name := range []string{`"room-42"`, `:chat/room`} {
		p := []byte(name)
		if n := testing.AllocsPerRun(100, func() { _, _ = bus.AppendToken(scratch[:0], p) }); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
	id := []byte(":my.app/send")
	if n := testing.AllocsPerRun(100, func() { _, _ = bus.AppendEventSubject(scratch[:0], id) }); n != 0 {
		t.Errorf("event subject: %v allocations", n)
	}
}
