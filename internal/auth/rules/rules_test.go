package rules_test

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/hoshi-ws/hoshi/internal/auth/rules"
)

var (
	anyone        = []rules.Who{{Kind: rules.Anyone}}
	authenticated = []rules.Who{{Kind: rules.Authenticated}}
	user          = []rules.Who{{Kind: rules.User}}
	admin         = []rules.Who{claim("role", "admin")}
)

func claim(name, value string) rules.Who {
	return rules.Who{Kind: rules.Claim, Name: name, Value: value}
}

// held are claims, "name=value".
type held []string

func (h held) Holds(name, value string) bool { return slices.Contains(h, name+"="+value) }

func policy(t testing.TB, channels, events []rules.Rule) *rules.Policy {
	t.Helper()
	p, err := rules.New(channels, events)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestPatterns(t *testing.T) {
	for _, c := range []struct {
		pattern, text string
		match         bool
	}{
		{"news", "news", true},
		{"news", "newsx", false},
		{"news", "xnews", false},
		{"news", "", false},
		{"*", "", true},
		{"*", "a/b", true},
		{"chat/*", "chat/", true},
		{"chat/*", "chat/a/b", true},
		{"chat/*", "chat", false},
		{"*/chat", "a/b/chat", true},
		{"a*b*c", "abc", true},
		{"a*b*c", "axbxbxc", true},
		{"a*b*c", "acb", false},
		{"a*a", "a", false},
		{"**", "x", true},
		{"a**b", "ab", true},
		{":chat/*", ":chat/x", true},
		{":chat/*", "chat/x", false},
		{"ünï*", "ünïx", true},

		{"{uid}", "alice", true},
		{"{uid}", "a/b", false},
		{"{uid}", "", false},
		{"user/{uid}", "user/alice", true},
		{"user/{uid}", "user/", false},
		{"user/{uid}", "user/alice/", false},
		{"user/{uid}", "user/alice/x", false},
		{"user:{uid}", "user:alice", true},
		{"user/{uid}/inbox", "user/alice/inbox", true},
		{"user/{uid}/inbox", "user/alice/inbox/x", false},
		{"user/{uid}/inbox", "user//inbox", false},
		{"user/{uid}/inbox", "user/a/b/inbox", false},
		{"user/{uid}/*", "user/alice/", true},
		{"user/{uid}/*", "user/alice/a/b", true},
		{"user/{uid}/*", "user/alice", false},
		{"user/{uid}/*/x", "user/alice/a/b/x", true},
	} {
		p := policy(t, []rules.Rule{{Pattern: c.pattern, Subscribe: anyone}}, nil)
		d := p.Channel(rules.Grant{}, rules.Subscribe, c.text)
		if d.Allowed != c.match || (d.Rule == 0) != c.match {
			t.Errorf("%q of %q: %+v", c.text, c.pattern, d)
		}
	}
}

// TestUIDs: nobody owns more than the segment that is his uid.
func TestUIDs(t *testing.T) {
	p := policy(t, []rules.Rule{
		{Pattern: "user/{uid}", Subscribe: user},
		{Pattern: "user/{uid}/*", Subscribe: user},
	}, nil)
	uids := []string{
		"alice", "alice2", "Alice", "*", "a*", "al*", "{uid}", "%2F", "a/b", "/", "/*", "alice/", "..", ".", " ", "alice ", "\x00", "a\x00",
		"ü", "u\u0308", "日本", "auth0|123", "a:b", "a.b", "a b", `"a"`, "-", "\\", "\xff", "\xfe",
	}
	for _, uid := range uids {
		g := p.Grant(uid, nil)
		for _, other := range uids {
			for _, rest := range []string{"", "/", "/inbox", "/*"} {
				want := uid == other && !strings.Contains(uid, "/")
				text := "user/" + other + rest
				// Whose segment it is says the text alone.
				segment, _, _ := strings.Cut(other+rest, "/")
				want = want || segment == uid && segment != ""
				if got := p.Channel(g, rules.Subscribe, text).Allowed; got != want {
					t.Errorf("uid %q, channel %q: %v", uid, text, got)
				}
			}
		}
	}
	if p.Channel(p.Grant("", nil), rules.Subscribe, "user/").Allowed {
		t.Error("nobody owns nothing")
	}
}

func TestPeople(t *testing.T) {
	p := policy(t, []rules.Rule{
		{Pattern: "public/*", Subscribe: anyone, Publish: authenticated, Limits: "public"},
		{Pattern: "profile/{uid}", Subscribe: anyone, Publish: append(slices.Clone(user), admin...)},
		{Pattern: "admin/secret"},
		{Pattern: "admin/*", Subscribe: admin, Publish: []rules.Who{claim("role", "root"), claim("team", "ops")}},
		{Pattern: "user/{uid}/*", Subscribe: user},
		{Pattern: "*", Subscribe: authenticated},
	}, nil)
	people := map[string]rules.Grant{
		"stranger": p.Grant("", nil),
		"alice":    p.Grant("alice", held{"role=user", "team=x"}),
		"root":     p.Grant("root", held{"role=admin", "role=root"}),
		"ops":      p.Grant("o", held{"team=ops"}),
	}
	for _, c := range []struct {
		channel            string
		subscribe, publish string
		rule               int
		limits             any
	}{
		{channel: "public/x", subscribe: "alice ops root stranger", publish: "alice ops root", rule: 0, limits: "public"},
		{channel: "profile/alice", subscribe: "alice ops root stranger", publish: "alice root", rule: 1},
		{channel: "profile/bob", subscribe: "alice ops root stranger", publish: "root", rule: 1},
		{channel: "admin/secret", rule: 2},
		{channel: "admin/x", subscribe: "root", publish: "ops root", rule: 3},
		{channel: "user/alice/inbox", subscribe: "alice", rule: 4},
		{channel: "user/bob/inbox", rule: 4}, // and not the last rule, which is wider
		{channel: "else", subscribe: "alice ops root", rule: 5},
	} {
		for op, want := range []string{c.subscribe, c.publish} {
			var got []string
			for name, g := range people {
				d := p.Channel(g, rules.Op(op), c.channel)
				if d.Allowed {
					got = append(got, name)
				}
				if d.Rule != c.rule || d.Limits != c.limits {
					t.Errorf("%s: %+v", c.channel, d)
				}
			}
			slices.Sort(got)
			if strings.Join(got, " ") != want {
				t.Errorf("%s, op %d: %v, want %s", c.channel, op, got, want)
			}
		}
	}
}

func TestNoRules(t *testing.T) {
	channelRule := []rules.Rule{{Pattern: "a", Subscribe: anyone}}
	eventRule := []rules.Rule{{Pattern: "app/a", Publish: anyone}}
	for _, c := range []struct {
		name           string
		p              *rules.Policy
		channel, event bool
		restricts      bool
	}{
		{name: "nil", channel: true, event: true},
		{name: "zero", p: &rules.Policy{}, channel: true, event: true},
		{name: "empty", p: policy(t, nil, nil), channel: true, event: true},
		{name: "channels", p: policy(t, channelRule, nil), event: true, restricts: true},
		{name: "events", p: policy(t, nil, eventRule), channel: true, restricts: true},
		{name: "both", p: policy(t, channelRule, eventRule), restricts: true},
	} {
		g := c.p.Grant("alice", held{})
		if d := c.p.Channel(g, rules.Publish, "b"); d.Allowed != c.channel || d.Rule != -1 {
			t.Errorf("%s: channel %+v", c.name, d)
		}
		if d := c.p.Event(g, ":app/b"); d.Allowed != c.event || d.Rule != -1 {
			t.Errorf("%s: event %+v", c.name, d)
		}
		if c.p.Restricts() != c.restricts {
			t.Errorf("%s: restricts %v", c.name, !c.restricts)
		}
	}
}

func TestEvents(t *testing.T) {
	p := policy(t, nil, []rules.Rule{
		{Pattern: ":admin/*", Publish: admin},
		{Pattern: "app/login", Publish: anyone},
		{Pattern: "app/*", Publish: authenticated},
	})
	for _, c := range []struct {
		id    string
		uid   string
		held  held
		allow bool
	}{
		{":admin/reset", "alice", held{"role=user"}, false},
		{":admin/reset", "alice", held{"role=admin"}, true},
		{"admin/reset", "alice", held{"role=admin"}, true},
		{":app/login", "", nil, true},
		{":app/save", "", nil, false},
		{":app/save", "alice", nil, true},
		{":other/x", "alice", held{"role=admin"}, false},
		{"::app/login", "alice", nil, false},
	} {
		if d := p.Event(p.Grant(c.uid, c.held), c.id); d.Allowed != c.allow {
			t.Errorf("%s by %q with %v: %+v", c.id, c.uid, c.held, d)
		}
	}
}

func TestBadRules(t *testing.T) {
	many := make([]rules.Rule, rules.MaxRules+1)
	var claims []rules.Who
	for i := range many {
		many[i].Pattern = "x"
	}
	for i := range rules.MaxClaims + 1 {
		claims = append(claims, claim("c", fmt.Sprint(i)))
	}
	for _, c := range []struct {
		name  string
		rule  []rules.Rule
		event bool
	}{
		{"empty pattern", []rules.Rule{{}}, false},
		{"a colon", []rules.Rule{{Pattern: ":"}}, true},
		{"long pattern", []rules.Rule{{Pattern: strings.Repeat("x", rules.MaxPattern+1)}}, false},
		{"two uids", []rules.Rule{{Pattern: "{uid}/{uid}"}}, false},
		{"another brace", []rules.Rule{{Pattern: "{user}"}}, false},
		{"an open brace", []rules.Rule{{Pattern: "{uid}/{"}}, false},
		{"star before uid", []rules.Rule{{Pattern: "*/{uid}"}}, false},
		{"text behind uid", []rules.Rule{{Pattern: "{uid}:x"}}, false},
		{"star behind uid", []rules.Rule{{Pattern: "{uid}*"}}, false},
		{"user without uid", []rules.Rule{{Pattern: "x", Publish: user}}, false},
		{"nobody in particular", []rules.Rule{{Pattern: "x", Publish: []rules.Who{{}}}}, false},
		{"an unknown kind", []rules.Rule{{Pattern: "x", Publish: []rules.Who{{Kind: 99}}}}, false},
		{"a claim without a name", []rules.Rule{{Pattern: "x", Publish: []rules.Who{claim("", "x")}}}, false},
		{"anyone with a value", []rules.Rule{{Pattern: "x", Publish: []rules.Who{{Kind: rules.Anyone, Value: "x"}}}}, false},
		{"subscribing to an event", []rules.Rule{{Pattern: "x", Subscribe: anyone}}, true},
		{"many rules", many, false},
		{"many claims", []rules.Rule{{Pattern: "x", Publish: claims}}, false},
	} {
		var err error
		if c.event {
			_, err = rules.New(nil, c.rule)
		} else {
			_, err = rules.New(c.rule, nil)
		}
		if !errors.Is(err, rules.ErrBadRule) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	// All faults at once, each with its place.
	_, err := rules.New([]rules.Rule{{Pattern: "a"}, {Pattern: "{"}}, []rules.Rule{{Pattern: ""}})
	if err == nil || !strings.Contains(err.Error(), `2 for channels, "{"`) || !strings.Contains(err.Error(), "1 for events") {
		t.Errorf("%v", err)
	}
}

// TestEveryClaimHasItsBit asks for as many claims as there may be.
func TestEveryClaimHasItsBit(t *testing.T) {
	var list []rules.Rule
	for i := range rules.MaxClaims {
		list = append(list, rules.Rule{Pattern: fmt.Sprintf("c%d", i), Publish: []rules.Who{claim("n", fmt.Sprint(i))}})
	}
	p := policy(t, list, nil)
	for i := range rules.MaxClaims {
		g := p.Grant("", held{fmt.Sprintf("n=%d", i)})
		for j := range rules.MaxClaims {
			if got := p.Channel(g, rules.Publish, fmt.Sprintf("c%d", j)).Allowed; got != (i == j) {
				t.Fatalf("claim %d, rule %d: %v", i, j, got)
			}
		}
	}
}

func TestMatchingDoesNotAllocate(t *testing.T) {
	p := policy(t, []rules.Rule{{Pattern: "a/*/b"}, {Pattern: "user/{uid}/*", Subscribe: user, Limits: "x"}}, nil)
	g := p.Grant("alice", held{})
	if n := testing.AllocsPerRun(100, func() {
		if !p.Channel(g, rules.Subscribe, "user/alice/inbox").Allowed {
			t.Error("denied")
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// FuzzMatch compares patterns with regular expressions.
func FuzzMatch(f *testing.F) {
	f.Add("user/{uid}/*", "user/alice/x", "alice")
	f.Add("a*b*c", "abbc", "x")
	f.Add("{uid}", "a\nb", "a\nb")
	f.Fuzz(func(t *testing.T, pattern, text, uid string) {
		who := anyone
		hasUID := strings.Contains(pattern, "{uid}")
		if hasUID {
			who = user
		}
		p, err := rules.New([]rules.Rule{{Pattern: pattern, Subscribe: who}}, nil)
		if err != nil {
			return
		}
		// Byte by byte, as the pattern compares.
		var expression strings.Builder
		expression.WriteString(`(?s)^`)
		for i := 0; i < len(pattern); i++ {
			switch {
			case strings.HasPrefix(pattern[i:], "{uid}"):
				expression.WriteString(`([^/]+)`)
				i += len("{uid}") - 1
			case pattern[i] == '*':
				expression.WriteString(`.*`)
			default:
				expression.WriteString(regexp.QuoteMeta(string(rune(pattern[i]))))
			}
		}
		expression.WriteString(`$`)
		found := regexp.MustCompile(expression.String()).FindStringSubmatch(latin(text))
		want := found != nil && (!hasUID || uid != "" && found[1] == latin(uid))
		if got := p.Channel(p.Grant(uid, nil), rules.Subscribe, text).Allowed; got != want {
			t.Fatalf("pattern %q, text %q, uid %q: %v", pattern, text, uid, got)
		}
	})
}

// latin makes a rune of each byte.
func latin(s string) string {
	r := make([]rune, len(s))
	for i := range len(s) {
		r[i] = rune(s[i])
	}
	return string(r)
}

func BenchmarkChannel(b *testing.B) {
	for _, count := range []int{1, 10, 100} {
		var list []rules.Rule
		for i := range count - 1 {
			list = append(list, rules.Rule{Pattern: fmt.Sprintf("area%d/*", i), Subscribe: admin})
		}
		list = append(list, rules.Rule{Pattern: "user/{uid}/*", Subscribe: user})
		p := policy(b, list, nil)
		g := p.Grant("alice", held{})
		b.Run(fmt.Sprintf("rules=%d", count), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if !p.Channel(g, rules.Subscribe, "user/alice/inbox").Allowed {
					b.Fatal("denied")
				}
			}
		})
	}
}

type pairs [][2]string

func (p pairs) Holds(name, value string) bool { return slices.Contains(p, [2]string{name, value}) }

// What an identity holds can be told to somebody else who has the same rules.
func TestHeld(t *testing.T) {
	p, err := rules.New([]rules.Rule{
		{Pattern: "a", Subscribe: []rules.Who{{Kind: rules.Claim, Name: "role", Value: "admin"}, {Kind: rules.Claim, Name: "role", Value: "x\ny"}}},
		{Pattern: "b", Publish: []rules.Who{{Kind: rules.Claim, Name: "/a/b", Value: "7"}}},
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, claims := range []pairs{
		nil,
		{{"role", "admin"}, {"role", "other"}},
		{{"role", "x\ny"}, {"/a/b", "7"}, {"a", "7"}},
	} {
		g := p.Grant("alice", claims)
		if again := p.Grant("alice", pairs(p.Held(g))); again != g {
			t.Errorf("%q: got %+v, want %+v", claims, again, g)
		}
	}
	if got := p.Held(p.Grant("alice", pairs{{"role", "admin"}, {"secret", "x"}})); len(got) != 1 {
		t.Errorf("held %q", got)
	}
}
