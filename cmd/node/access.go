package main

import (
	"errors"
	"strings"

	"github.com/hoshi-ws/hoshi/internal/auth"
	"github.com/hoshi-ws/hoshi/internal/auth/rules"
	"github.com/hoshi-ws/hoshi/internal/config"
	"github.com/hoshi-ws/hoshi/pkg/edge"
)

// accessOptions says to the node who may come, and what for.
func accessOptions(a *config.Access) edge.AccessOptions {
	return edge.AccessOptions{
		Issuers:        issuers(a),
		TokenCookie:    a.TokenCookie,
		TokenParam:     a.TokenParam,
		RequiredClaims: a.TokenClaims,
		Leeway:         orNone(a.TokenLeeway),
		TokenRequired:  a.TokenRequired,
		Origins:        a.Origins,
		CSRFSecret:     secretBytes(a.CSRFSecret),
		CSRFCookie:     a.CSRFCookie,
		Channels:       channelRules(a.ChannelRules),
		Events:         eventRules(a.EventRules),
	}
}

// issuers are the one that flags describe, if they do, and those of the file.
func issuers(a *config.Access) []edge.Issuer {
	var out []edge.Issuer
	if one := soleIssuer(a); len(one.Keys) > 0 {
		out = append(out, one)
	}
	for _, i := range a.TokenIssuers {
		out = append(out, edge.Issuer{Name: i.Name, Audiences: i.Audiences, Keys: keySources(i.Secret, i.KeysFile, i.JWKS, i.Algorithm)})
	}
	return out
}

func soleIssuer(a *config.Access) edge.Issuer {
	return edge.Issuer{
		Name: a.TokenIssuer, Audiences: a.TokenAudience,
		Keys: keySources(a.TokenSecret, a.TokenKeys, a.TokenJWKS, a.TokenAlgorithm),
	}
}

func keySources(secret, file, url, algorithm string) []edge.KeySource {
	var out []edge.KeySource
	for _, k := range []edge.KeySource{{Secret: secretBytes(secret)}, {File: file}, {URL: url}} {
		if len(k.Secret) > 0 || k.File != "" || k.URL != "" {
			k.Algorithm = algorithm
			out = append(out, k)
		}
	}
	return out
}

// secretBytes returns nil where there is none.
func secretBytes(s string) []byte {
	if s == "" {
		return nil
	}
	return []byte(s)
}

func channelRules(list []config.ChannelRule) []edge.Rule {
	var out []edge.Rule
	for _, r := range list {
		rule := edge.Rule{Pattern: r.Pattern, Subscribe: people(r.Subscribe), Publish: people(r.Publish)}
		if l := (edge.ChannelLimits{MaxSubscribers: r.MaxSubscribers, MaxMessage: int(r.MaxMessage), PublishRate: r.PublishRate}); l != (edge.ChannelLimits{}) {
			rule.Limits = &l
		}
		out = append(out, rule)
	}
	return out
}

func eventRules(list []config.EventRule) []edge.Rule {
	var out []edge.Rule
	for _, r := range list {
		out = append(out, edge.Rule{Pattern: r.Pattern, Publish: people(r.Send)})
	}
	return out
}

func people(list []config.Who) []edge.Who {
	kinds := map[string]rules.Kind{"anyone": edge.Anyone, "authenticated": edge.Authenticated, "user": edge.User, "claim": edge.Claim}
	var out []edge.Who
	for _, w := range list {
		out = append(out, edge.Who{Kind: kinds[w.Kind], Name: w.Name, Value: w.Value})
	}
	return out
}

// checkAccess reports what the node would find wrong when it starts, at the
// option that it stands in. It reads files with keys, and fetches nothing.
func checkAccess(a *config.Access, report config.Report) {
	o := accessOptions(a)
	fault := func(option string, err error) {
		if err != nil {
			report(option, strings.ReplaceAll(err.Error(), "\n", "; "))
		}
	}
	_, err := auth.NewOrigins(o.Origins)
	fault("origins", err)
	if a.CSRFSecret != "" && a.CSRFCookie != "" {
		_, err = auth.NewCSRF(o.CSRFSecret, "any")
		fault("csrf-secret", err)
		if err == nil {
			_, err = auth.NewCSRF(o.CSRFSecret, o.CSRFCookie)
			fault("csrf-cookie", err)
		}
	}
	checkIssuers(a, fault)
	_, err = rules.New(o.Channels, nil)
	fault("channel-rules", err)
	_, eventErr := rules.New(nil, o.Events)
	fault("event-rules", eventErr)
	if err == nil && eventErr == nil {
		_, err = rules.New(o.Channels, o.Events) // counts claims together
		fault("event-rules", err)
	}
}

func checkIssuers(a *config.Access, fault func(option string, err error)) {
	one, all := soleIssuer(a), issuers(a)
	ok := true
	if len(one.Keys) == 1 {
		option := "token-secret"
		switch {
		case a.TokenKeys != "":
			option = "token-keys"
		case a.TokenJWKS != "":
			option = "token-jwks"
		}
		if _, err := auth.New(auth.Options{Issuers: []auth.Issuer{one}}); err != nil {
			_, text, found := strings.Cut(err.Error(), ", key 1: ")
			if !found {
				text = err.Error()
			}
			fault(option, errors.New(text))
			ok = false
		}
	}
	if ok && len(a.TokenIssuers) > 0 {
		_, err := auth.New(auth.Options{Issuers: all})
		fault("token-issuers", err)
	}
}
