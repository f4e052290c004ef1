package main

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/hoshi-ws/hoshi/internal/auth/keys"
)

// tokenCmd makes a token as an issuer would, for trying out. Its options are
// those that a node believes it by, so both can be told by the same variables or
// file.
type tokenCmd struct {
	TokenSecret   string   `name:"token-secret" placeholder:"SECRET" help:"The node's --token-secret: at least 32 bytes. Better given as a variable or in the file." secret:""`
	TokenIssuer   string   `name:"token-issuer" placeholder:"NAME" help:"The node's --token-issuer."`
	TokenAudience []string `name:"token-audience" placeholder:"NAME,..." help:"The node's --token-audience."`

	UID    string        `name:"uid" placeholder:"UID" help:"The user it is for." meta:""`
	For    time.Duration `name:"for" default:"1h" min:"1s" max:"8760h" placeholder:"TIME" help:"How long it is good." meta:""`
	Claims string        `name:"claims" placeholder:"JSON" help:"Further claims, as one object." meta:""`
}

// Help implements kong.HelpProvider.
func (tokenCmd) Help() string {
	return `  export HOSHI_TOKEN_SECRET=a-secret-of-at-least-32-bytes-...
  hoshi --token-param token
  hoshi token --uid alice --for 1h --claims '{"role": "admin"}'

and connect to ws://127.0.0.1:8080/?token=...`
}

func (t *tokenCmd) Run(out output) error {
	text, err := t.sign(time.Now())
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(out.stdout, text)
	return err
}

// sign makes the token (RFC 7515, HS256).
func (t *tokenCmd) sign(now time.Time) (string, error) {
	if t.TokenSecret == "" {
		return "", errors.New("--token-secret: needs the secret of a node")
	}
	if _, err := keys.NewSecret("", "HS256", []byte(t.TokenSecret)); err != nil {
		return "", fmt.Errorf("--token-secret: %w", err)
	}
	if t.UID == "" {
		return "", errors.New("--uid: needs the user that the token is for")
	}
	claims := map[string]any{}
	if t.Claims != "" {
		if err := json.Unmarshal([]byte(t.Claims), &claims); err != nil || claims == nil {
			return "", errors.New(`--claims: wants one JSON object, like {"role": "admin"}`)
		}
	}
	claims["sub"], claims["iat"], claims["exp"] = t.UID, now.Unix(), now.Add(t.For).Unix()
	if t.TokenIssuer != "" {
		claims["iss"] = t.TokenIssuer
	}
	if len(t.TokenAudience) > 0 {
		claims["aud"] = t.TokenAudience[0]
	}
	body, err := json.Marshal(claims)
	if err != nil {
		return "", fmt.Errorf("write the claims: %w", err)
	}
	enc := base64.RawURLEncoding
	text := enc.EncodeToString([]byte(`{"alg":"HS256","typ":"JWT"}`)) + "." + enc.EncodeToString(body)
	mac := hmac.New(sha256.New, []byte(t.TokenSecret))
	mac.Write([]byte(text))
	return text + "." + enc.EncodeToString(mac.Sum(nil)), nil
}
