package auth_test

import (
	"bufio"
	"encoding/base64"
	"iter"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/hoshi-ws/hoshi/internal/auth"
	"github.com/hoshi-ws/hoshi/internal/wsconn/handshake"
)

// request makes one with a query and with headers, names and values in turn.
func request(query string, headers ...string) auth.Request {
	r := httptest.NewRequest(http.MethodGet, "/chsk", nil)
	r.URL.RawQuery = query
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	return auth.HTTP(r)
}

func TestFind(t *testing.T) {
	const jwt = "eyJhbGciOiJIUzI1NiJ9.e30.c2ln"
	coded := "hoshi.token." + base64.RawURLEncoding.EncodeToString([]byte(jwt))
	both := auth.Sources{Cookie: "session", Query: "token"}
	for _, c := range []struct {
		name    string
		sources auth.Sources
		query   string
		headers []string
		from    string
		want    string
		fault   auth.Reason
	}{
		{name: "nothing", sources: both},
		{name: "bearer", headers: []string{"Authorization", "Bearer " + jwt}, from: auth.FromHeader, want: jwt},
		{name: "bearer in small letters", headers: []string{"authorization", "bearer  " + jwt + " "}, from: auth.FromHeader, want: jwt},
		{name: "basic", headers: []string{"Authorization", "Basic " + jwt}},
		{name: "basic and bearer", headers: []string{"Authorization", "Basic eDp5", "Authorization", "Bearer " + jwt}, from: auth.FromHeader, want: jwt},
		{name: "empty bearer", headers: []string{"Authorization", "Bearer "}, fault: auth.ReasonMalformed},
		{name: "bearer alone", headers: []string{"Authorization", "Bearer"}, fault: auth.ReasonMalformed},
		{name: "two bearers", headers: []string{"Authorization", "Bearer a", "Authorization", "Bearer b"}, fault: auth.ReasonConflict},

		{name: "subprotocol", headers: []string{"Sec-WebSocket-Protocol", "hoshi.json, " + coded}, from: auth.FromProtocol, want: jwt},
		{name: "subprotocol in a line of its own", headers: []string{"Sec-WebSocket-Protocol", "hoshi.json", "Sec-WebSocket-Protocol", coded}, from: auth.FromProtocol, want: jwt},
		{name: "subprotocol, the token itself", headers: []string{"Sec-WebSocket-Protocol", "hoshi.token." + jwt}, from: auth.FromProtocol, want: jwt},
		{name: "subprotocol both ways", headers: []string{"Sec-WebSocket-Protocol", "hoshi.token." + jwt + "," + coded}, from: auth.FromProtocol, want: jwt},
		{name: "subprotocol without a token", headers: []string{"Sec-WebSocket-Protocol", "hoshi.token."}, fault: auth.ReasonMalformed},
		{name: "subprotocol with padding", headers: []string{"Sec-WebSocket-Protocol", "hoshi.token.YQ=="}, fault: auth.ReasonMalformed},
		{name: "subprotocol in base64 of the other kind", headers: []string{"Sec-WebSocket-Protocol", "hoshi.token.+/+/"}, fault: auth.ReasonMalformed},
		{name: "subprotocol with bits behind the end", headers: []string{"Sec-WebSocket-Protocol", "hoshi.token.YR"}, fault: auth.ReasonMalformed},
		{name: "subprotocols of others", headers: []string{"Sec-WebSocket-Protocol", "hoshi.edn, hoshi.tokens." + jwt}},

		{name: "cookie", sources: both, headers: []string{"Cookie", "a=b; session=" + jwt + "; c=d"}, from: auth.FromCookie, want: jwt},
		{name: "cookie in quotes", sources: both, headers: []string{"Cookie", `session="` + jwt + `"`}, from: auth.FromCookie, want: jwt},
		{name: "cookie in the second line", sources: both, headers: []string{"Cookie", "a=b", "Cookie", "session=" + jwt}, from: auth.FromCookie, want: jwt},
		{name: "cookie, name not exact", sources: both, headers: []string{"Cookie", "Session=x; xsession=y; session2=z"}},
		{name: "cookie, empty", sources: both, headers: []string{"Cookie", "session="}},
		{name: "cookie, one empty", sources: both, headers: []string{"Cookie", "session=; session=" + jwt}, from: auth.FromCookie, want: jwt},
		{name: "cookie twice", sources: both, headers: []string{"Cookie", "session=a; session=b"}, fault: auth.ReasonConflict},
		{name: "cookie twice, equal", sources: both, headers: []string{"Cookie", "session=a; session=a"}, from: auth.FromCookie, want: "a"},
		{name: "cookie that nobody asked for", headers: []string{"Cookie", "session=" + jwt}},

		{name: "query", sources: both, query: "client-id=x&token=" + jwt, from: auth.FromQuery, want: jwt},
		{name: "query, escaped", sources: both, query: "%74oken=" + strings.ReplaceAll(jwt, ".", "%2e"), from: auth.FromQuery, want: jwt},
		{name: "query, malformed", sources: both, query: "token=%zz", fault: auth.ReasonMalformed},
		{name: "query, malformed elsewhere", sources: both, query: "x=%zz&token=" + jwt, from: auth.FromQuery, want: jwt},
		{name: "query, empty", sources: both, query: "token=&token"},
		{name: "query twice", sources: both, query: "token=a&token=b", fault: auth.ReasonConflict},
		{name: "query that nobody asked for", query: "token=" + jwt},

		{name: "everywhere the same", sources: both, query: "token=" + jwt, headers: []string{
			"Authorization", "Bearer " + jwt, "Cookie", "session=" + jwt, "Sec-WebSocket-Protocol", coded,
		}, from: auth.FromHeader, want: jwt},
		{name: "header and cookie", sources: both, headers: []string{"Authorization", "Bearer a", "Cookie", "session=b"}, fault: auth.ReasonConflict},
		{name: "header and query", sources: both, query: "token=b", headers: []string{"Authorization", "Bearer a"}, fault: auth.ReasonConflict},
		{name: "subprotocol and query", sources: both, query: "token=b", headers: []string{"Sec-WebSocket-Protocol", coded}, fault: auth.ReasonConflict},
		{name: "cookie and query", sources: both, query: "token=b", headers: []string{"Cookie", "session=a"}, fault: auth.ReasonConflict},
		{name: "header, and two cookies of which one is the same", sources: both, headers: []string{"Authorization", "Bearer a", "Cookie", "session=a; session=b"}, fault: auth.ReasonConflict},

		{name: "too large", headers: []string{"Authorization", "Bearer " + strings.Repeat("x", auth.MaxToken+1)}, fault: auth.ReasonTooLarge},
		{name: "too large a subprotocol", headers: []string{"Sec-WebSocket-Protocol", "hoshi.token." + strings.Repeat("YWFh", auth.MaxToken)}, fault: auth.ReasonTooLarge},
		{name: "as large as may be", headers: []string{"Sec-WebSocket-Protocol", "hoshi.token." + base64.RawURLEncoding.EncodeToString([]byte(strings.Repeat("x", auth.MaxToken)))}, from: auth.FromProtocol, want: strings.Repeat("x", auth.MaxToken)},
	} {
		t.Run(c.name, func(t *testing.T) {
			token, from, err := c.sources.Find(request(c.query, c.headers...))
			wantReason(t, err, jwt, c.fault)
			if token != c.want || from != c.from {
				t.Fatalf("%q from %q, want %q from %q", token, from, c.want, c.from)
			}
		})
	}
}

func TestRedact(t *testing.T) {
	const jwt = "eyJhbGciOiJIUzI1NiJ9.e30.c2ln"
	for _, c := range []struct{ target, want string }{
		{"/", "/"},
		{"", ""},
		{"/chsk?client-id=x&udt=1", "/chsk?client-id=x&udt=1"},
		{"/chsk?client-id=x&token=secret&udt=1", "/chsk?client-id=x&token=REDACTED&udt=1"},
		{"/chsk?token=a&token=b", "/chsk?token=REDACTED&token=REDACTED"},
		{"/chsk?%74oken=secret", "/chsk?%74oken=REDACTED"},
		{"/chsk?tok%65n=secret", "/chsk?tok%65n=REDACTED"},
		{"/chsk?csrf-token=secret", "/chsk?csrf-token=REDACTED"},
		{"/chsk?token=", "/chsk?token="},
		{"/chsk?token", "/chsk?token"},
		{"/chsk?tokens=x", "/chsk?tokens=x"},
		{"/chsk?%zz=secret", "/chsk?%zz=REDACTED"},
		{"/chsk?other=" + jwt, "/chsk?other=REDACTED"},
		{"/chsk?other=" + url.QueryEscape("Bearer "+jwt), "/chsk?other=REDACTED"},
		{"/chsk?other=%65yJhbGciOiJIUzI1NiJ9.e30.c2ln", "/chsk?other=REDACTED"},
		{"/chsk?" + jwt, "/chsk?REDACTED"},
		{"/ws/" + jwt + "/x", "/ws/REDACTED/x"},
		{"/ws/" + jwt + "?a=b", "/ws/REDACTED?a=b"},
		{"/chsk?a=b?token=secret&token=x?y", "/chsk?a=b?token=secret&token=REDACTED"}, // a is "b?token=secret"
		{"http://user:secret@host/ws?a=b", "http://REDACTED@host/ws?a=b"},
		{"http://host/ws@x?a=b", "http://host/ws@x?a=b"},
		{"/x?u=http://a:b@c", "/x?u=http://a:b@c"},
	} {
		if got := auth.Redact(c.target, "token"); got != c.want {
			t.Errorf("%s: %s, want %s", c.target, got, c.want)
		}
	}
}

// FuzzRedact: what is left has no value of the parameters.
func FuzzRedact(f *testing.F) {
	f.Add("/chsk?a=b&token=secret")
	f.Add("http://u:p@h/x?%74oken=a&token=b%zz")
	f.Fuzz(func(t *testing.T, target string) {
		_, query, _ := strings.Cut(auth.Redact(target, "token"), "?")
		for pair := range strings.SplitSeq(query, "&") {
			key, value, _ := strings.Cut(pair, "=")
			if key, err := url.QueryUnescape(key); (err != nil || key == "token") && value != "" && value != "REDACTED" {
				t.Fatalf("%q is left of %q", pair, target)
			}
		}
	})
}

// lines is a Request whose headers are what a fuzzer has made.
type lines struct {
	query  string
	header map[string][]string
}

func (l lines) RawQuery() string { return l.query }

func (l lines) Values(name string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for _, v := range l.header[strings.ToLower(name)] {
			if !yield(v) {
				return
			}
		}
	}
}

// FuzzFind compares the cookie and the parameter with what net/http finds, which
// keeps a space in front of a cookie's value, and none of any kind behind it.
func FuzzFind(f *testing.F) {
	f.Add("token=a&x=y", "Bearer x", "hoshi.token.YQ", "a=b; session=x")
	f.Add("%74oken=a%20b", "Basic x", "hoshi.token.a.b.c", `session="x"; session=x`)
	f.Add("token", "bearer  x", "hoshi.token.", "session= 00")
	f.Add("", "", "", "session= >0n= \r")
	sources := auth.Sources{Cookie: "session", Query: "token"}
	f.Fuzz(func(t *testing.T, query, authorization, protocol, cookie string) {
		token, from, err := sources.Find(lines{query, map[string][]string{
			"authorization": {authorization}, "sec-websocket-protocol": {protocol}, "cookie": {cookie},
		}})
		if err != nil && token != "" || (token == "") != (from == "") || len(token) > auth.MaxToken {
			t.Fatalf("%q from %q, %v", token, from, err)
		}
		switch from {
		case auth.FromCookie:
			if parsed, err := http.ParseCookie(cookie); err == nil {
				for _, c := range parsed {
					if v := strings.TrimSpace(c.Value); c.Name == "session" && v != "" && v != strings.TrimSpace(token) {
						t.Fatalf("%q, net/http has %q", token, v)
					}
				}
			}
		case auth.FromQuery:
			if values, err := url.ParseQuery(query); err == nil {
				for _, v := range values["token"] {
					if v != "" && v != token {
						t.Fatalf("%q, net/url has %q", token, v)
					}
				}
			}
		}
	})
}

// TestHandshake: the heads that loops read, and net/http, say the same.
func TestHandshake(t *testing.T) {
	head := "GET /ws?token=c HTTP/1.1\r\nHost: h.example\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
		"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n" +
		"Sec-WebSocket-Protocol: hoshi.json\r\nsec-websocket-protocol: hoshi.edn, hoshi.token.YQ\r\n" +
		"Cookie: x=y\r\ncookie: session=b\r\norigin: https://h.example\r\nOrigin: https://evil.example\r\n\r\n"
	ours, fault := handshake.Parse([]byte(head), handshake.Limits{}.WithDefaults())
	if fault != nil {
		t.Fatal(fault)
	}
	theirs, err := http.ReadRequest(bufio.NewReader(strings.NewReader(head)))
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range []auth.Request{ours, auth.HTTP(theirs)} {
		for _, c := range []struct {
			sources    auth.Sources
			token      string
			wantReason auth.Reason
		}{
			{auth.Sources{}, "a", ""},
			{auth.Sources{Cookie: "session"}, "", auth.ReasonConflict},
			{auth.Sources{Query: "token"}, "", auth.ReasonConflict},
		} {
			token, _, err := c.sources.Find(r)
			wantReason(t, err, "", c.wantReason)
			if token != c.token {
				t.Errorf("%T: token %q", r, token)
			}
		}
		wantReason(t, must(auth.NewOrigins(nil)).Check(r, "h.example"), "", auth.ReasonOrigin)
	}
}
