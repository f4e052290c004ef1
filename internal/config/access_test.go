package config_test

import (
	"bytes"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/hoshi-ws/hoshi/internal/config"
)

func TestAccess(t *testing.T) {
	const rules = `[{:channels "news" :subscribe :anyone :publish {:claim "role" :value "admin"}}
  {:channels "inbox/{uid}" :subscribe :user :publish [:authenticated {:claim "level" :value 3} {:claim "bot" :value true}]}
  {:channels "closed/*" :max-subscribers 3 :max-message "64KiB" :publish-rate 5 :subscribe :nobody}]`
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte("from a file\r\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	want := config.Access{
		TokenSecret: "s", TokenIssuer: "me", TokenAudience: []string{"a", "b"}, TokenAlgorithm: "HS384",
		TokenIssuers: []config.TokenIssuer{
			{Name: "one", Audiences: []string{"*"}, JWKS: "https://id.example.com/jwks.json", Algorithm: "PS256"},
			{Name: "two", Audiences: []string{"x", "y"}, Secret: "from a file"},
			{Name: "three", KeysFile: "keys.pem"},
		},
		TokenCookie: "c", TokenParam: "p", TokenClaims: []string{"email"}, TokenLeeway: time.Minute, TokenRequired: true,
		Origins: []string{"same-origin", "https://a.example.com"}, CSRFSecret: "t", CSRFCookie: "sid",
		ChannelRules: []config.ChannelRule{
			{Pattern: "news", Subscribe: []config.Who{{Kind: "anyone"}}, Publish: []config.Who{{Kind: "claim", Name: "role", Value: "admin"}}},
			{Pattern: "inbox/{uid}", Subscribe: []config.Who{{Kind: "user"}}, Publish: []config.Who{
				{Kind: "authenticated"}, {Kind: "claim", Name: "level", Value: "3"}, {Kind: "claim", Name: "bot", Value: "true"},
			}},
			{Pattern: "closed/*", MaxSubscribers: 3, MaxMessage: 64 << 10, PublishRate: 5},
		},
		EventRules: []config.EventRule{{Pattern: "public/*", Send: []config.Who{{Kind: "anyone"}}}},
	}
	issuers := `[{:name "one" :audiences "*" :jwks "https://id.example.com/jwks.json" :algorithm "PS256"}
  {:name "two" :audiences ["x" "y"] :secret-file "` + secret + `"} {:name "three" :keys-file "keys.pem"}]`
	file := `{:token-secret "s" :token-issuer "me" :token-audience ["a" "b"] :token-algorithm :HS384 :token-issuers ` + issuers + `
 :token-cookie "c" :token-param "p" :token-claims ["email"] :token-leeway "1m" :token-required true
 :origins ["same-origin" "https://a.example.com"] :csrf-secret "t" :csrf-cookie "sid"
 :channel-rules ` + rules + ` :event-rules [{:events "public/*" :send :anyone}]}`
	g, _, faults := parse(t, []string{"--config=FILE"}, nil, file)
	if faults != nil {
		t.Fatalf("faults: %q", faults)
	}
	if !reflect.DeepEqual(g.Run.Access, want) {
		t.Errorf("the file:\n got %+v\nwant %+v", g.Run.Access, want)
	}
	env := []string{
		"HOSHI_TOKEN_SECRET=s", "HOSHI_TOKEN_ISSUER=me", "HOSHI_TOKEN_ISSUERS=" + issuers, "HOSHI_CSRF_SECRET=t",
		"HOSHI_CHANNEL_RULES=" + rules,
	}
	args := []string{
		"--token-audience=a,b", "--token-algorithm=HS384", "--token-cookie=c", "--token-param=p", "--token-claims=email", "--token-leeway=1m",
		"--token-required", "--origins=same-origin,https://a.example.com", "--csrf-cookie=sid", `--event-rules=[{:events "public/*" :send :anyone}]`,
	}
	g, _, faults = parse(t, args, env, "")
	if faults != nil {
		t.Fatalf("faults: %q", faults)
	}
	if !reflect.DeepEqual(g.Run.Access, want) {
		t.Errorf("flags and variables:\n got %+v\nwant %+v", g.Run.Access, want)
	}
}

func TestAccessFaults(t *testing.T) {
	rule := func(text string) string { return `{:channel-rules [` + text + `]}` }
	issuer := func(text string) string { return `{:token-issuers [{:name "x" ` + text + `}]}` }
	for _, tt := range []struct {
		name string
		args []string
		env  []string
		file string
		want string
	}{
		{name: "audience without a key", args: []string{"--token-audience=a"}, want: "--token-audience: needs --token-secret, --token-keys or --token-jwks: without a key there is nobody to believe"},
		{name: "required without a key", env: []string{"HOSHI_TOKEN_REQUIRED=true"}, want: "HOSHI_TOKEN_REQUIRED: needs --token-secret, --token-keys, --token-jwks or :token-issuers in the file: without them no token is believed"},
		{name: "two keys", args: []string{"--token-keys=a", "--token-jwks=b"}, want: "--token-jwks: only one of --token-secret, --token-keys and --token-jwks, but --token-keys is given too: others belong into :token-issuers of the file"},
		{name: "no algorithm", args: []string{"--token-algorithm=none"}, want: `--token-algorithm: "none" is none of HS256, HS384, HS512, RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, ES512, EdDSA`},
		{name: "leeway", args: []string{"--token-leeway=6m"}, want: `--token-leeway: "6m" is too large, the most is 5m`},
		{name: "csrf without a cookie", env: []string{"HOSHI_CSRF_SECRET=hunter2"}, want: "HOSHI_CSRF_SECRET: needs --csrf-cookie, the name of the session cookie that the tokens are made of"},
		{name: "csrf without a secret", args: []string{"--csrf-cookie=sid"}, want: "--csrf-cookie: needs --csrf-secret, which the application makes the tokens with"},

		{name: "no map of rules", file: `{:channel-rules {"a" :anyone}}`, want: `hoshi.edn :channel-rules: wants a vector of maps, like [{:channels "chat/*" :subscribe :anyone :publish :authenticated}]`},
		{name: "rules that are no EDN", args: []string{"--event-rules=[{"}, want: `--event-rules: is not EDN that can be read: wants a vector of maps, like [{:events "public/*" :send :anyone}]`},
		{name: "more than one value", args: []string{"--event-rules=[] []"}, want: `--event-rules: is not EDN that can be read: wants a vector of maps, like [{:events "public/*" :send :anyone}]`},
		{name: "a pair", file: rule(`["a" :anyone]`), want: `hoshi.edn :channel-rules: rule 1: is no map: want one like {:channels "chat/*" :subscribe :anyone :publish :authenticated}`},
		{name: "unknown key", file: rule(`{:channels "a"} {:channels "b" :subscrib :anyone}`), want: `hoshi.edn :channel-rules: rule 2 ("b"): unknown key :subscrib, did you mean :subscribe?`},
		{name: "far from any key", file: rule(`{:channels "b" :send :anyone}`), want: `hoshi.edn :channel-rules: rule 1 ("b"): unknown key :send: want :channels, :subscribe, :publish, :max-subscribers, :max-message or :publish-rate`},
		{name: "a key that is none", file: rule(`{:channels "b" "subscribe" :anyone}`), want: `hoshi.edn :channel-rules: rule 1 ("b"): wants keywords as keys, like {:channels "chat/*" :subscribe :anyone :publish :authenticated}`},
		{name: "no pattern", file: rule(`{:subscribe :anyone}`), want: `hoshi.edn :channel-rules: rule 1: has no :channels: want the pattern of channels, in which * stands for any run of characters`},
		{name: "no pattern of events", file: `{:event-rules [{:send :anyone}]}`, want: `hoshi.edn :event-rules: rule 1: has no :events: want the pattern of event ids, in which * stands for any run of characters`},
		{name: "a keyword as a pattern", file: rule(`{:channels :a}`), want: `hoshi.edn :channel-rules: rule 1: :channels is no string, or an empty one`},
		{name: "no limit at all", file: rule(`{:channels "a" :max-subscribers 0}`), want: `hoshi.edn :channel-rules: rule 1 ("a"): :max-subscribers wants a whole number from 1 to 2147483647; leave it out where there is to be no limit`},
		{name: "a rate as a text", file: rule(`{:channels "a" :publish-rate "5"}`), want: `hoshi.edn :channel-rules: rule 1 ("a"): :publish-rate wants a whole number from 1 to 1000000; leave it out where there is to be no limit`},
		{name: "no size", file: rule(`{:channels "a" :max-message "much"}`), want: `hoshi.edn :channel-rules: rule 1 ("a"): :max-message wants a size from 1, like 1024 or "64KiB"`},
		{name: "misspelt people", file: rule(`{:channels "a" :subscribe :anyon}`), want: `hoshi.edn :channel-rules: rule 1 ("a"): :subscribe says :anyon, which is nobody known, did you mean :anyone?`},
		{name: "unknown people", file: rule(`{:channels "a" :publish [:wombats]}`), want: `hoshi.edn :channel-rules: rule 1 ("a"): :publish says :wombats, which is nobody known: want :anyone, :authenticated, :user, :nobody or {:claim "role" :value "admin"}`},
		{name: "a string as people", file: rule(`{:channels "a" :publish "anyone"}`), want: `hoshi.edn :channel-rules: rule 1 ("a"): :publish wants :anyone, :authenticated, :user, :nobody or {:claim "role" :value "admin"}, or a vector of those`},
		{name: "nobody and somebody", file: rule(`{:channels "a" :publish [:nobody :user]}`), want: `hoshi.edn :channel-rules: rule 1 ("a"): :publish wants :nobody alone: nobody besides somebody is nothing`},
		{name: "half a claim", file: rule(`{:channels "a" :publish {:claim "role"}}`), want: `hoshi.edn :channel-rules: rule 1 ("a"): :publish wants a claim as {:claim "role" :value "admin"}, the value a string, a whole number or a boolean`},
		{name: "a claim of a wrong type", file: rule(`{:channels "a" :publish {:claim "role" :value [1]}}`), want: `hoshi.edn :channel-rules: rule 1 ("a"): :publish wants a claim as {:claim "role" :value "admin"}, the value a string, a whole number or a boolean`},
		{name: "behind one for all", file: rule(`{:channels "*"} {:channels "a"}`), want: `hoshi.edn :channel-rules: "a" is never looked at, as "*" comes before it: the first rule that matches counts, put it further up`},
		{name: "events behind one for all", args: []string{`--event-rules=[{:events "*"} {:events "a/b"}]`}, want: `--event-rules: "a/b" is never looked at, as "*" comes before it: the first rule that matches counts, put it further up`},

		{name: "issuer without a key", file: issuer(""), want: `hoshi.edn :token-issuers: issuer 1 ("x"): wants exactly one of :secret, :secret-file, :keys-file and :jwks`},
		{name: "issuer with two", file: issuer(`:secret "hunter2" :jwks "https://x"`), want: `hoshi.edn :token-issuers: issuer 1 ("x"): wants exactly one of :secret, :secret-file, :keys-file and :jwks`},
		{name: "issuer with a number as secret", file: issuer(`:secret 4711`), want: `hoshi.edn :token-issuers: issuer 1 ("x"): :secret is no string, or an empty one`},
		{name: "issuer with wrong audiences", file: issuer(`:jwks "https://x" :audiences [:a]`), want: `hoshi.edn :token-issuers: issuer 1 ("x"): :audiences wants a vector of strings`},
		{name: "issuer without its file", file: issuer(`:secret-file "/does/not/exist"`), want: `hoshi.edn :token-issuers: issuer 1 ("x"): :secret-file: /does/not/exist: no such file or directory`},
		{name: "issuers in a variable", env: []string{`HOSHI_TOKEN_ISSUERS=[{:secret "hunter2" }`}, want: `HOSHI_TOKEN_ISSUERS: is not EDN that can be read: wants a vector of maps, like [{:name "https://id.example.com/" :jwks "https://id.example.com/jwks.json"}]`},
		{name: "a secret where a key should be", file: issuer(`"hunter2" :secret`), want: `hoshi.edn :token-issuers: issuer 1 ("x"): wants keywords as keys, like {:name "https://id.example.com/" :jwks "https://id.example.com/jwks.json"}`},

		{name: "anybody from everywhere", args: []string{"--insecure-uid-param=uid", "--listen=0.0.0.0:80"}, want: "--insecure-uid-param: would let anybody who reaches 0.0.0.0:80 be any user: listen on loopback, let tokens say who comes, or give --insecure-anywhere too"},
		{name: "anybody from everywhere in development", args: []string{"--dev", "--listen=:80"}, want: "--dev: would let anybody who reaches :80 be any user: listen on loopback, let tokens say who comes, or give --insecure-anywhere too"},
		{name: "forced", args: []string{"--dev", "--listen=:80", "--insecure-anywhere"}},

		{name: "no file with a secret", env: []string{"HOSHI_NATS_TOKEN_FILE=/does/not/exist"}, want: "HOSHI_NATS_TOKEN_FILE: /does/not/exist: no such file or directory"},
		{name: "an empty file", env: []string{"HOSHI_NATS_TOKEN_FILE=FILE"}, want: "HOSHI_NATS_TOKEN_FILE: hoshi.edn is empty"},
		{name: "secret twice", env: []string{"HOSHI_NATS_TOKEN=hunter2", "HOSHI_NATS_TOKEN_FILE=FILE"}, file: "x", want: "HOSHI_NATS_TOKEN: only one of this and HOSHI_NATS_TOKEN_FILE"},
		{name: "no secret", env: []string{"HOSHI_LISTEN_FILE=FILE"}, want: "HOSHI_LISTEN_FILE: unknown variable"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			args := tt.args
			if strings.HasPrefix(tt.file, "{") {
				args = append(args, "--config=FILE")
			}
			var want []string
			if tt.want != "" {
				want = []string{tt.want}
			}
			_, _, got := parse(t, args, tt.env, tt.file)
			if !reflect.DeepEqual(got, want) {
				t.Errorf("\n got %q\nwant %q", got, want)
			}
			if strings.Contains(strings.Join(got, ""), "hunter2") {
				t.Error("a fault quotes a secret")
			}
		})
	}
}

// A secret in a file loses the line break that editors put there, and yields to
// a flag.
func TestSecretFile(t *testing.T) {
	const secret = " with spaces, and\nlines "
	for _, ending := range []string{"", "\n", "\r\n"} {
		g, _, faults := parse(t, nil, []string{"HOSHI_TOKEN_SECRET_FILE=FILE"}, secret+ending)
		if faults != nil || g.Run.TokenSecret != secret {
			t.Errorf("got %q, faults %q", g.Run.TokenSecret, faults)
		}
	}
	g, _, faults := parse(t, []string{"--token-secret=flag"}, []string{"HOSHI_TOKEN_SECRET_FILE=/does/not/exist"}, "")
	if faults != nil || g.Run.TokenSecret != "flag" {
		t.Errorf("got %q, faults %q", g.Run.TokenSecret, faults)
	}
}

// Help does not show what secrets are set to.
func TestHelpHasNoSecrets(t *testing.T) {
	var out bytes.Buffer
	_, err := config.Parse(&grammar{}, config.Invocation{
		Args: []string{"--token-secret=hunter2", "--help-all"}, Env: []string{"HOSHI_CSRF_SECRET=hunter2", "HOSHI_TOKEN_ISSUERS=hunter2"},
		Stdout: &out, Exit: func(int) {},
	})
	if err != nil || !strings.Contains(out.String(), "--csrf-secret SECRET") || strings.Contains(out.String(), "hunter2") {
		t.Errorf("%v:\n%s", err, &out)
	}
}
