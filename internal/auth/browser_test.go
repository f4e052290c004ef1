package auth_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"strings"
	"testing"

	"github.com/hoshi-ws/hoshi/internal/auth"
)

func TestOrigins(t *testing.T) {
	exact := []string{"https://app.example.com", "http://localhost:3000", "capacitor://localhost", "https://[::1]:8443"}
	for _, c := range []struct {
		name   string
		list   []string
		origin string
		host   string
		ok     bool
	}{
		{"same", nil, "https://a.example", "a.example", true},
		{"same by http", nil, "http://a.example", "a.example", true},
		{"same with a port", nil, "http://a.example:8080", "a.example:8080", true},
		{"same with the default port in Host", nil, "https://a.example", "a.example:443", true},
		{"same with the default port in Origin", nil, "https://a.example:443", "a.example", true},
		{"same with the default port of the other scheme", nil, "https://a.example", "a.example:80", false},
		{"another port", nil, "http://a.example:8080", "a.example:8081", false},
		{"a port too many", nil, "https://a.example:8443", "a.example", false},
		{"a port too few", nil, "https://a.example", "a.example:8443", false},
		{"same in capitals", nil, "https://A.example", "a.EXAMPLE", true},
		{"same by address", nil, "http://127.0.0.1:8080", "127.0.0.1:8080", true},
		{"same by address of six", nil, "http://[::1]:8080", "[::1]:8080", true},
		{"same by address of six, no port", nil, "http://[::1]", "[::1]", true},
		{"another host", nil, "https://evil.example", "a.example", false},
		{"a host below", nil, "https://x.a.example", "a.example", false},
		{"a host above", nil, "https://example", "a.example", false},
		{"another scheme", nil, "app://a.example", "a.example", false},
		{"no host", nil, "https://", "", false},
		{"null", nil, "null", "null", false},
		{"null for everybody", []string{"*"}, "null", "a.example", true},
		{"anything for everybody", []string{"*"}, "https://evil.example", "a.example", true},
		{"by name", []string{"same-origin"}, "https://a.example", "a.example", true},
		{"a list has no same origin", exact, "https://a.example", "a.example", false},
		{"a list with same origin", append([]string{"same-origin"}, exact...), "https://a.example", "a.example", true},

		{"in the list", exact, "https://app.example.com", "a.example", true},
		{"in the list, with the default port", exact, "https://app.example.com:443", "a.example", true},
		{"in the list, in capitals", exact, "https://App.Example.com", "a.example", true},
		{"another scheme than in the list", exact, "http://app.example.com", "a.example", false},
		{"another port than in the list", exact, "https://app.example.com:444", "a.example", false},
		{"with a port in the list", exact, "http://localhost:3000", "a.example", true},
		{"with a port in the list, without", exact, "http://localhost", "a.example", false},
		{"app", exact, "capacitor://localhost", "a.example", true},
		{"six", exact, "https://[::1]:8443", "a.example", true},
		{"a name that only begins so", exact, "https://app.example.com.evil.example", "a.example", false},
		{"a name that only ends so", exact, "https://evilapp.example.com", "a.example", false},
		{"below one in the list", exact, "https://x.app.example.com", "a.example", false},
		{"userinfo", exact, "https://app.example.com@evil.example", "a.example", false},
		{"userinfo before", exact, "https://evil@app.example.com", "a.example", false},
		{"path", exact, "https://app.example.com/", "a.example", false},
		{"query", exact, "https://app.example.com?x", "a.example", false},
		{"backslash", exact, `https://app.example.com\.evil.example`, "a.example", false},
		{"two of them", exact, "https://app.example.com https://evil.example", "a.example", false},
		{"with a comma", exact, "https://app.example.com,https://evil.example", "a.example", false},
		{"tab", exact, "https://app.example.com\tx", "a.example", false},
		{"dot behind", exact, "https://app.example.com.", "a.example", false},
		{"no scheme", exact, "app.example.com", "a.example", false},
		{"empty port", exact, "https://app.example.com:", "a.example", false},
		{"port with a zero", exact, "https://app.example.com:0443", "a.example", false},
		{"port with a sign", exact, "https://app.example.com:+443", "a.example", false},
		{"long", []string{"https://*.example.com"}, "https://" + strings.Repeat("a", 600) + ".example.com", "a.example", false},
		{"letters that only fold alike", nil, "https://kelvin.example", "\u212aelvin.example", false},
		{"long, of one that is not there", exact, "https://" + strings.Repeat("a", 600) + ".app.example.com", "a.example", false},

		{"wildcard", []string{"https://*.example.com"}, "https://a.example.com", "h", true},
		{"wildcard, two levels", []string{"https://*.example.com"}, "https://a.b.example.com", "h", true},
		{"wildcard is not the name itself", []string{"https://*.example.com"}, "https://example.com", "h", false},
		{"wildcard is not a name that ends so", []string{"https://*.example.com"}, "https://evilexample.com", "h", false},
		{"wildcard, just a dot", []string{"https://*.example.com"}, "https://.example.com", "h", false},
		{"wildcard, another scheme", []string{"https://*.example.com"}, "http://a.example.com", "h", false},
		{"wildcard, another port", []string{"https://*.example.com"}, "https://a.example.com:8443", "h", false},
		{"wildcard with a port", []string{"https://*.example.com:8443"}, "https://a.example.com:8443", "h", true},
		{"wildcard is no star", []string{"https://*.example.com"}, "https://*.example.com", "h", false},
		{"wildcard without scheme", []string{"*.example.com"}, "http://a.example.com", "h", true},
		{"wildcard without scheme, https", []string{"*.example.com"}, "https://a.example.com", "h", true},
		{"wildcard without scheme, app", []string{"*.example.com"}, "app://a.example.com", "h", false},
		{"wildcard of localhost", []string{"http://*.localhost:3000"}, "http://x.localhost:3000", "h", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			o, err := auth.NewOrigins(c.list)
			if err != nil {
				t.Fatal(err)
			}
			err = o.Check(request("", "Origin", c.origin), c.host)
			if c.ok {
				wantReason(t, err, "", "")
			} else {
				wantReason(t, err, "", auth.ReasonOrigin)
			}
		})
	}
}

// TestReferer: where there is no Origin.
func TestReferer(t *testing.T) {
	for _, c := range []struct {
		name    string
		list    []string
		headers []string
		ok      bool
	}{
		{"nothing: no browser", nil, nil, true},
		{"nothing, with a list", []string{"https://app.example"}, nil, true},
		{"empty", nil, []string{"Origin", ""}, true},
		{"same", nil, []string{"Referer", "https://h.example/page?x#y"}, true},
		{"same, no path", nil, []string{"Referer", "https://h.example"}, true},
		{"same, query without a path", nil, []string{"Referer", "https://h.example?x=https://evil.example/"}, true},
		{"another", nil, []string{"Referer", "https://evil.example/h.example/"}, false},
		{"another, that begins so", nil, []string{"Referer", "https://h.example.evil.example/"}, false},
		{"userinfo", nil, []string{"Referer", "https://h.example@evil.example/"}, false},
		{"in the list", []string{"https://app.example"}, []string{"Referer", "https://app.example/page"}, true},
		{"no url", nil, []string{"Referer", "about:blank"}, false},
		{"two", nil, []string{"Referer", "https://h.example/", "Referer", "https://evil.example/"}, false},
		{"Origin comes first", nil, []string{"Origin", "https://evil.example", "Referer", "https://h.example/"}, false},
		{"Origin comes first, and is right", nil, []string{"Origin", "https://h.example", "Referer", "https://evil.example/"}, true},
		{"two Origins", nil, []string{"Origin", "https://h.example", "Origin", "https://evil.example"}, false},
		{"hidden, of the same page", nil, []string{"Sec-Fetch-Site", "same-origin"}, true},
		{"hidden, of the same page, which is in the list", []string{"https://h.example"}, []string{"Sec-Fetch-Site", "same-origin"}, true},
		{"hidden, of the same page, which is not in the list", []string{"https://app.example"}, []string{"Sec-Fetch-Site", "same-origin"}, false},
		{"hidden, of a site", nil, []string{"Sec-Fetch-Site", "same-site"}, false},
		{"hidden, of another site", nil, []string{"Sec-Fetch-Site", "cross-site"}, false},
		{"hidden, both", nil, []string{"Sec-Fetch-Site", "same-origin", "Sec-Fetch-Site", "cross-site"}, false},
		{"hidden, for everybody", []string{"*"}, []string{"Sec-Fetch-Site", "cross-site"}, true},
		{"typed", nil, []string{"Sec-Fetch-Site", "none"}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			o, err := auth.NewOrigins(c.list)
			if err != nil {
				t.Fatal(err)
			}
			if err := o.Check(request("", c.headers...), "h.example"); c.ok != (err == nil) {
				t.Errorf("%v", err)
			}
		})
	}
}

func TestNewOrigins(t *testing.T) {
	for _, bad := range []string{
		"", "example.com", "https://", "https://example.com/", "https://example.com/path", "https://user@example.com",
		"https://*", "https://*.com", "*.com", "*.", "https://*.*.com", "https://a*.example.com", "*.example.com:443", "https://bücher.example",
		"https://example.com:99999999", "https://example.com:0443", "null", "https://*.[::1]", "://example.com", "https://exa mple.com",
	} {
		if _, err := auth.NewOrigins([]string{"https://good.example", bad}); err == nil {
			t.Errorf("taken: %q", bad)
		}
	}
}

func FuzzOrigin(f *testing.F) {
	f.Add("https://app.example.com", "h.example")
	f.Add("http://[::1]:80", "[::1]")
	f.Add("https://x.example.com:443", "x.example.com:443")
	one := must(auth.NewOrigins([]string{"https://app.example.com", "https://*.wild.example"}))
	same := must(auth.NewOrigins(nil))
	f.Fuzz(func(t *testing.T, origin, host string) {
		r := lines{header: map[string][]string{"origin": {origin}}}
		name := strings.TrimSuffix(strings.ToLower(strings.Trim(origin, " \t")), ":443")
		if name != "" && one.Check(r, host) == nil && name != "https://app.example.com" && !strings.HasSuffix(name, ".wild.example") {
			t.Fatalf("taken: %q", origin)
		}
		if name != "" && same.Check(r, host) == nil {
			plain, _, _ := strings.Cut(strings.TrimPrefix(strings.TrimPrefix(name, "http://"), "https://"), ":")
			if !strings.HasPrefix(strings.ToLower(host), plain) {
				t.Fatalf("%q taken for %q", origin, host)
			}
		}
		// What is taken as an entry takes itself.
		if o, err := auth.NewOrigins([]string{origin}); err == nil && !strings.Contains(origin, "*") && origin != auth.SameOrigin {
			if err := o.Check(r, host); err != nil {
				t.Fatalf("%q does not take itself", origin)
			}
		}
	})
}

func TestCSRF(t *testing.T) {
	secret := []byte(strings.Repeat("s", 32))
	c, err := auth.NewCSRF(secret, "ring-session")
	if err != nil {
		t.Fatal(err)
	}
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte("abc"))
	good := base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
	if got := c.Token("abc"); got != good {
		t.Fatalf("token %s, want %s", got, good)
	}
	secret[0] = 'x' // it has a copy
	other := c.Token("abd")
	cookie := []string{"Cookie", "a=b; ring-session=abc"}
	with := func(headers ...string) []string { return append(headers, cookie...) }
	for _, tt := range []struct {
		name    string
		form    string
		query   string
		headers []string
		ok      bool
	}{
		{"param", "", "csrf-token=" + good, cookie, true},
		{"param, padded", "", "csrf-token=" + good + "%3D", cookie, true},
		{"header", "", "", with("X-CSRF-Token", good), true},
		{"the other header", "", "", with("X-XSRF-Token", good), true},
		{"form", good, "", cookie, true},
		{"nothing", "", "", cookie, false},
		{"no session", "", "csrf-token=" + good, nil, false},
		{"empty session", "", "csrf-token=" + c.Token(""), []string{"Cookie", "ring-session="}, false},
		{"of another session", "", "csrf-token=" + other, cookie, false},
		{"cut", "", "csrf-token=" + good[:42], cookie, false},
		{"empty", "", "csrf-token=", cookie, false},
		{"one bit", "", "csrf-token=" + good[:42] + string(nextDigit(good[42])), cookie, false},
		{"the first counts", "", "csrf-token=" + other, with("X-CSRF-Token", good), false},
		{"the first header counts", "", "", with("X-CSRF-Token", other, "X-XSRF-Token", good), false},
		{"the form comes before all", other, "csrf-token=" + good, cookie, false},
		{"an empty param is none", "", "csrf-token=", with("X-CSRF-Token", good), true},
		{"two params", "", "csrf-token=" + good + "&csrf-token=" + other, cookie, false},
		{"two sessions", "", "csrf-token=" + good, []string{"Cookie", "ring-session=abc; ring-session=abd"}, false},
		{"malformed", "", "csrf-token=%zz", with("X-CSRF-Token", good), false},
		{"malformed beside a form", good, "csrf-token=%zz", cookie, false},
		{"newline", "", "csrf-token=" + good[:42] + "%0A", cookie, false},
		{"long", "", "csrf-token=" + strings.Repeat("A", 100000), cookie, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := c.Check(request(tt.query, tt.headers...), tt.form)
			if tt.ok {
				wantReason(t, err, "", "")
			} else {
				wantReason(t, err, "", auth.ReasonCSRF)
			}
		})
	}
	for _, bad := range []struct{ secret, cookie string }{{"short", "s"}, {strings.Repeat("s", 31), "s"}, {strings.Repeat("s", 32), ""}, {strings.Repeat("s", 32), "a b"}} {
		if _, err := auth.NewCSRF([]byte(bad.secret), bad.cookie); err == nil {
			t.Errorf("taken: %+v", bad)
		}
	}
}
