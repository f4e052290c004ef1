package bus_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/hoshi-ws/hoshi/pkg/bus"
	"github.com/hoshi-ws/hoshi/pkg/codec"
)

var adminNow = time.Date(2026, 11, 27, 12, 0, 0, 123_456_789, time.UTC)

func token(t *testing.T, n bus.Name) string {
	t.Helper()
	if n == (bus.Name{}) {
		return ""
	}
	s, err := n.Token()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestParseRevocation(t *testing.T) {
	now := adminNow.Truncate(time.Millisecond)
	soon, day := now.Add(time.Millisecond), now.Add(24*time.Hour)
	at := time.UnixMilli(1795780800000)
	type want struct {
		uid, id       string
		before, until time.Time
	}
	for _, tt := range []struct {
		name string
		json bool
		body string
		want *want // nil: refused
	}{
		{name: "user", body: `{:uid "alice"}`, want: &want{uid: "alice", before: soon, until: day}},
		{name: "user, and nothing", body: `{:uid "alice" #_:x}`, want: &want{uid: "alice", before: soon, until: day}},
		{name: "keyword", body: `{:uid :admin}`, want: &want{uid: ":admin", before: soon, until: day}},
		{name: "any value", body: `{:uid [:doc 7]}`, want: &want{uid: "~%5B%3Adoc%207%5D", before: soon, until: day}},
		{name: "user, before", body: `{:uid "alice" :issued-before 1795780800000}`, want: &want{uid: "alice", before: at, until: day}},
		{name: "user, before an inst", body: `{:uid "alice", :issued-before #inst "2026-11-27T12:00:00.000-00:00"}`, want: &want{uid: "alice", before: at, until: day}},
		{name: "user, until", body: `{:uid "alice" :until #inst "2026-12-01"}`, want: &want{uid: "alice", before: soon, until: time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC)}},
		{name: "user, in the future", body: `{:uid "alice" :issued-before #inst "2026-12-01" :until #inst "2026-12-01"}`, want: &want{uid: "alice", before: time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC), until: time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC)}},
		{name: "token", body: `{:token-id "t1"}`, want: &want{id: "t1", until: day}},
		{name: "everybody", body: `{:issued-before 1795780800000}`, want: &want{before: at, until: day}},
		{name: "JSON, user", json: true, body: `{"uid": "alice"}`, want: &want{uid: "alice", before: soon, until: day}},
		{name: "JSON, keyword", json: true, body: `{"uid": ":admin"}`, want: &want{uid: ":admin", before: soon, until: day}},
		{name: "JSON, token", json: true, body: `{"token-id": "t\u0031", "until": 1795867200000}`, want: &want{id: "t1", until: at.Add(24 * time.Hour)}},
		{name: "JSON, before", json: true, body: `{"issued-before": "2026-11-27T12:00:00Z"}`, want: &want{before: at, until: day}},

		{name: "empty", body: `{}`},
		{name: "no map", body: `["uid" "alice"]`},
		{name: "nothing", body: ``},
		{name: "user and token", body: `{:uid "alice" :token-id "t1"}`},
		{name: "token, before", body: `{:token-id "t1" :issued-before 1795780800000}`},
		{name: "a misspelt key", body: `{:uid "alice" :issued-befor 1795780800000}`},
		{name: "a string for a key", body: `{"uid" "alice"}`},
		{name: "nil for a user", body: `{:uid nil}`},
		{name: "empty user", body: `{:uid ""}`},
		{name: "a user that is too long", body: `{:uid "` + strings.Repeat("x", 300) + `"}`},
		{name: "empty token", body: `{:token-id ""}`},
		{name: "a token that is no string", body: `{:token-id :t1}`},
		{name: "a token that is too long", body: `{:token-id "` + strings.Repeat("x", 1025) + `"}`},
		{name: "seconds", body: `{:issued-before 1795780800}`},
		{name: "text for a time", body: `{:issued-before "2026-11-27T12:00:00Z"}`},
		{name: "a double", body: `{:issued-before 1795780800000.0}`},
		{name: "a time in ten years", body: `{:uid "alice" :until #inst "2036-11-27"}`},
		{name: "over", body: `{:uid "alice" :until #inst "2026-11-27"}`},
		{name: "JSON, no time", json: true, body: `{"issued-before": "yesterday"}`},
		{name: "too large", body: `{:uid "alice"` + strings.Repeat(" ", 16<<10) + `}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := codec.EDN
			if tt.json {
				f = codec.JSON
			}
			got, err := bus.ParseRevocation(f, []byte(tt.body), adminNow)
			if tt.want == nil {
				if !errors.Is(err, bus.ErrBadBody) || got != (bus.Revocation{}) {
					t.Fatalf("got %+v, %v", got, err)
				}
				if strings.Contains(err.Error(), "alice") {
					t.Errorf("it quotes the body: %v", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if w := tt.want; token(t, got.UID) != w.uid || got.TokenID != w.id || !got.IssuedBefore.Equal(w.before) || !got.Until.Equal(w.until) {
				t.Errorf("got %s %+v, want %+v", token(t, got.UID), got, w)
			}
		})
	}
}

func TestParseKick(t *testing.T) {
	conn := "conn-0192f3a4-7c1e-7abc-8def-5b1e6f00a2c4"
	for _, tt := range []struct {
		name, body string
		json       bool
		want       *bus.Kick // nil: refused
	}{
		{name: "user", body: `{:uid "alice"}`, want: &bus.Kick{UID: bus.String("alice"), Code: 4410, Reason: "kicked"}},
		{name: "connection", body: `{:conn-id "` + conn + `" :code 1012}`, want: &bus.Kick{ConnID: conn, Code: 1012, Reason: "kicked"}},
		{name: "tab", body: `{:client-id "tab 1" :code 4999 :reason "come \u00fcber"}`, want: &bus.Kick{ClientID: "tab 1", Code: 4999, Reason: "come über"}},
		{name: "JSON", json: true, body: `{"client-id": "tab", "code": 1000, "reason": "bye"}`, want: &bus.Kick{ClientID: "tab", Code: 1000, Reason: "bye"}},

		{name: "nobody", body: `{:code 4000}`},
		{name: "two", body: `{:uid "alice" :client-id "tab"}`},
		{name: "no conn-id", body: `{:conn-id "conn-1"}`},
		{name: "blank tab", body: `{:client-id ""}`},
		{name: "code 1001", body: `{:uid "alice" :code 1001}`},
		{name: "code 0", body: `{:uid "alice" :code 0}`},
		{name: "code 5000", body: `{:uid "alice" :code 5000}`},
		{name: "code in words", body: `{:uid "alice" :code "4000"}`},
		{name: "reason too long", body: `{:uid "alice" :reason "` + strings.Repeat("x", 124) + `"}`},
		{name: "reason that is none", body: `{:uid "alice" :reason 7}`},
		{name: "another key", body: `{:uid "alice" :until 1}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := codec.EDN
			if tt.json {
				f = codec.JSON
			}
			got, err := bus.ParseKick(f, []byte(tt.body))
			switch {
			case tt.want == nil:
				if !errors.Is(err, bus.ErrBadBody) {
					t.Fatalf("got %+v, %v", got, err)
				}
			case err != nil:
				t.Fatal(err)
			case got != *tt.want:
				t.Errorf("got %+v, want %+v", got, *tt.want)
			}
		})
	}
}

// FuzzAdmin: what is taken is within its bounds, and what is written of it is
// read back as the same.
func FuzzAdmin(f *testing.F) {
	for _, s := range []string{
		`{:uid "alice"}`, `{:token-id "t1" :until 1795867200000}`, `{:issued-before #inst "2026-11-27"}`, `{"uid": ":admin"}`,
		`{:conn-id "conn-0192f3a4-7c1e-7abc-8def-5b1e6f00a2c4" :code 4000}`, `{:client-id "\u00e9" :reason "x"}`, `#:a{:uid 1}`, `{:uid ##NaN}`,
	} {
		f.Add(false, []byte(s))
		f.Add(true, []byte(s))
	}
	f.Fuzz(func(t *testing.T, json bool, body []byte) {
		format := codec.EDN
		if json {
			format = codec.JSON
		}
		var scan codec.Scanner
		value, err := scan.Value(format, body)
		if err != nil {
			return // nodes are not handed it
		}
		if r, err := bus.ParseRevocation(format, value, adminNow); err == nil {
			if len(r.TokenID) > bus.MaxTokenID || !r.Until.After(adminNow) || r.Until.After(adminNow.Add(bus.MaxRevocation)) {
				t.Errorf("%+v", r)
			}
			if again, err := bus.ParseRevocation(codec.EDN, bus.AppendRevocation(&r), adminNow); err != nil || token(t, again.UID) != token(t, r.UID) ||
				again.TokenID != r.TokenID || !again.IssuedBefore.Equal(r.IssuedBefore) || !again.Until.Equal(r.Until) {
				t.Errorf("%s is read as %+v, %v", bus.AppendRevocation(&r), again, err)
			}
		}
		if k, err := bus.ParseKick(format, value); err == nil {
			if again, err := bus.ParseKick(codec.EDN, bus.AppendKick(&k)); err != nil || token(t, again.UID) != token(t, k.UID) ||
				again.Code != k.Code || again.Reason != k.Reason || again.ConnID != k.ConnID || again.ClientID != k.ClientID {
				t.Errorf("%s is read as %+v, %v", bus.AppendKick(&k), again, err)
			}
		}
	})
}
