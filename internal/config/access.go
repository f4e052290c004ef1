package config

import "time"

// Access is what a node understands about who may come, and what for. What the
// values mean together is checked by who hands them on.
type Access struct {
	TokenSecret    string        `name:"token-secret" placeholder:"SECRET" help:"Believe tokens (JWT) that are signed with this secret; sub is the user id." more:"At least 32 bytes, for HS256. Better given as a variable or in the file: flags show in ps." group:"Access" secret:"" tune:""`
	TokenKeys      string        `name:"token-keys" placeholder:"FILE" help:"Or with the key of one of the public keys, or certificates, in this PEM file." group:"Access" tune:""`
	TokenJWKS      string        `name:"token-jwks" placeholder:"URL" help:"Or with one of the key set (JWKS) there, which is fetched, and again when it has changed." more:"https, or http on loopback." group:"Access" tune:""`
	TokenIssuer    string        `name:"token-issuer" placeholder:"NAME" help:"What iss of these tokens says." more:"Without it iss does not count." group:"Access" tune:""`
	TokenAudience  []string      `name:"token-audience" placeholder:"NAME,..." help:"What aud may say; one is enough, * is any." more:"Without it tokens must have no aud, since those are for somebody else." group:"Access" tune:""`
	TokenAlgorithm string        `name:"token-algorithm" oneof:"HS256,HS384,HS512,RS256,RS384,RS512,PS256,PS384,PS512,ES256,ES384,ES512,EdDSA" placeholder:"NAME" help:"How they are signed: HS256, RS256, PS256 or the like where the key does not say it." more:"The default is HS256 for a secret, RS256 for an RSA key of a file." group:"Access" tune:""`
	TokenIssuers   []TokenIssuer `name:"token-issuers" placeholder:"EDN" help:"Further issuers, each as one map." more:"Better in the file: [{:name \"https://id.example.com/\" :audiences [\"hoshi\"] :jwks \"https://id.example.com/jwks.json\"}]. Keys are :name, :audiences, :algorithm, and one of :secret, :secret-file, :keys-file and :jwks." group:"Access" secret:"" tune:""`
	TokenCookie    string        `name:"token-cookie" placeholder:"NAME" help:"A cookie that tokens may be in, beside the header Authorization and the subprotocol hoshi.token.TOKEN." group:"Access" tune:""`
	TokenParam     string        `name:"token-param" placeholder:"NAME" help:"A parameter of the query that tokens may be in." more:"Proxies write queries into their logs." group:"Access" tune:""`
	TokenClaims    []string      `name:"token-claims" placeholder:"NAME,..." help:"Claims that tokens must have beside sub and exp." group:"Access" tune:""`
	TokenLeeway    time.Duration `name:"token-leeway" default:"30s" min:"0s" max:"5m" placeholder:"TIME" help:"How far the clocks of issuers may differ from ours." group:"Access" tune:""`
	TokenRequired  bool          `name:"token-required" help:"Refuse who brings no token, and no certificate of a client, with 401." group:"Access" tune:""`

	Origins []string `name:"origins" placeholder:"ORIGIN,..." help:"Whose pages may connect: same-origin, https://example.com, https://*.example.com, or * for all." more:"The default is same-origin, with --dev all. Who sends neither Origin nor Referer is no browser, and may." group:"Access" tune:""`

	CSRFSecret string `name:"csrf-secret" placeholder:"SECRET" help:"Ask clients of Sente for a CSRF token: base64url of HMAC-SHA-256 with this secret over the value of --csrf-cookie." more:"At least 32 bytes. Better given as a variable or in the file: flags show in ps." group:"Access" secret:"" tune:""`
	CSRFCookie string `name:"csrf-cookie" placeholder:"NAME" help:"The cookie of the visitor's session." group:"Access" tune:""`

	ChannelRules []ChannelRule `name:"channel-rules" placeholder:"EDN" help:"Who may subscribe to and publish in which channels; the first rule that matches counts, and where none does nobody may." more:"Better in the file: [{:channels \"chat/*\" :subscribe :anyone :publish [:authenticated {:claim \"role\" :value \"admin\"}]}]. Without rules everybody may. docs/access.md has more." group:"Access" tune:""`
	EventRules   []EventRule   `name:"event-rules" placeholder:"EDN" help:"Who may send which events; as --channel-rules." more:"Better in the file: [{:events \"public/*\" :send :anyone} {:events \"*\" :send :authenticated}]." group:"Access" tune:""`
}

// TokenIssuer is somebody whose tokens are believed, as the file has it.
type TokenIssuer struct {
	Name      string
	Audiences []string
	Algorithm string
	Secret    string // exactly one of these three
	KeysFile  string
	JWKS      string
}

// ChannelRule says who may do what in the channels that match a pattern. No
// people is nobody.
type ChannelRule struct {
	Pattern            string
	Subscribe, Publish []Who

	// Limits, where 0 is none: subscribers of a channel on the node, bytes of a
	// client's message, and messages a second of one connection.
	MaxSubscribers int
	MaxMessage     Size
	PublishRate    int
}

// EventRule says who may send the events that match a pattern.
type EventRule struct {
	Pattern string
	Send    []Who
}

// Who is somebody that a rule lets in. Kind is anyone, authenticated, user or
// claim, which has a Name and a Value.
type Who struct{ Kind, Name, Value string }

// Restricted reports whether anybody is kept from anything: it takes a token to
// come, or there are rules.
func (a *Access) Restricted() bool {
	return a.TokenRequired || len(a.ChannelRules)+len(a.EventRules) > 0
}

// HasIssuers reports whether any token is believed.
func (a *Access) HasIssuers() bool {
	return a.TokenSecret != "" || a.TokenKeys != "" || a.TokenJWKS != "" || len(a.TokenIssuers) > 0
}

// check reports relations between the options of access.
func (a *Access) check(report Report) {
	var keys []string
	for _, k := range []struct{ option, value string }{
		{"token-secret", a.TokenSecret}, {"token-keys", a.TokenKeys}, {"token-jwks", a.TokenJWKS},
	} {
		if k.value != "" {
			keys = append(keys, k.option)
		}
	}
	if len(keys) > 1 {
		report(keys[1], "only one of --token-secret, --token-keys and --token-jwks, but --"+keys[0]+" is given too: others belong into :token-issuers of the file")
	}
	if len(keys) == 0 {
		const how = "needs --token-secret, --token-keys or --token-jwks: without a key there is nobody to believe"
		for _, o := range []struct {
			option string
			given  bool
		}{
			{"token-issuer", a.TokenIssuer != ""}, {"token-audience", len(a.TokenAudience) > 0}, {"token-algorithm", a.TokenAlgorithm != ""},
		} {
			if o.given {
				report(o.option, how)
			}
		}
	}
	if !a.HasIssuers() {
		const how = "needs --token-secret, --token-keys, --token-jwks or :token-issuers in the file: without them no token is believed"
		for _, o := range []struct {
			option string
			given  bool
		}{
			{"token-cookie", a.TokenCookie != ""},
			{"token-param", a.TokenParam != ""},
			{"token-claims", len(a.TokenClaims) > 0},
			{"token-required", a.TokenRequired},
		} {
			if o.given {
				report(o.option, how)
			}
		}
	}
	if a.CSRFSecret != "" && a.CSRFCookie == "" {
		report("csrf-secret", "needs --csrf-cookie, the name of the session cookie that the tokens are made of")
	}
	if a.CSRFCookie != "" && a.CSRFSecret == "" {
		report("csrf-cookie", "needs --csrf-secret, which the application makes the tokens with")
	}
	if problem := orderProblem(a.ChannelRules, func(r ChannelRule) string { return r.Pattern }); problem != "" {
		report("channel-rules", problem)
	}
	if problem := orderProblem(a.EventRules, func(r EventRule) string { return r.Pattern }); problem != "" {
		report("event-rules", problem)
	}
}

// checkInsecure refuses to believe everybody where everybody can come.
func (n *Node) checkInsecure(report Report) {
	option := "insecure-uid-param"
	if n.InsecureUIDParam == "" {
		option = "dev"
	}
	if n.InsecureUIDParam == "" && !n.Dev || n.InsecureAnywhere || n.Listen == "" || n.Listen.Loopback() {
		return
	}
	report(option, "would let anybody who reaches "+string(n.Listen)+" be any user: listen on loopback, let tokens say who comes, or give --insecure-anywhere too")
}
