package main

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/hoshi-ws/hoshi/internal/config"
)

// faultsOf returns what is wrong with these arguments.
func faultsOf(t *testing.T, args ...string) []string {
	t.Helper()
	var c cli
	_, err := config.Parse(&c, config.Invocation{Args: args, Stdout: io.Discard, Exit: func(int) { t.Error("exit was called") }})
	if err == nil {
		return nil
	}
	e, ok := errors.AsType[*config.Error](err)
	if !ok {
		t.Fatal(err)
	}
	var faults []string
	for _, f := range e.Faults {
		faults = append(faults, f.String())
	}
	return faults
}

// TestAccessFaults holds that what the node would find wrong when it starts is
// told at the option, together with everything else.
func TestAccessFaults(t *testing.T) {
	dir := t.TempDir()
	write := func(name string, block *pem.Block) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	pub, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	priv, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	good, bad := write("public.pem", &pem.Block{Type: "PUBLIC KEY", Bytes: pub}), write("private.pem", &pem.Block{Type: "PRIVATE KEY", Bytes: priv})
	for _, tt := range []struct {
		name string
		args []string
		want string // a part of the one fault; empty is none
	}{
		{name: "short secret", args: []string{"--token-secret=hunter2"}, want: "--token-secret: bad key: a secret for HS256 has at least 32 bytes, this one has 7"},
		{name: "short for its algorithm", args: []string{"--token-secret=" + secretOf('a')[:32], "--token-algorithm=HS512"}, want: "--token-secret: bad key: a secret for HS512 has at least 64 bytes, this one has 32"},
		{name: "algorithm of no secret", args: []string{"--token-secret=" + secretOf('a'), "--token-algorithm=RS256"}, want: `--token-secret: bad key: algorithm "RS256" is none of secrets: want HS256, HS384 or HS512`},
		{name: "keys", args: []string{"--token-keys=" + good}},
		{name: "no keys", args: []string{"--token-keys=/does/not/exist"}, want: "--token-keys: open /does/not/exist: no such file or directory"},
		{name: "a private key", args: []string{"--token-keys=" + bad}, want: "--token-keys: " + bad + ": bad key: a private key; checking needs the public one alone"},
		{name: "no PEM", args: []string{"--token-keys=access_test.go"}, want: "--token-keys: access_test.go: bad key: there is no PEM: want PUBLIC KEY, RSA PUBLIC KEY or CERTIFICATE"},
		{name: "key set", args: []string{"--token-jwks=https://id.example.com/jwks.json"}},
		{name: "key set in clear", args: []string{"--token-jwks=http://id.example.com/jwks.json"}, want: "--token-jwks: "},
		{name: "issuer without a name", args: []string{"--token-secret=" + secretOf('a'), `--token-issuers=[{:name "x" :jwks "https://x"}]`}, want: "--token-issuers: of several issuers each needs a name"},
		{name: "issuer twice", args: []string{`--token-issuers=[{:name "x" :jwks "https://x"} {:name "x" :jwks "https://y"}]`}, want: `--token-issuers: issuer "x" is there twice`},
		{name: "issuer with a short secret", args: []string{`--token-issuers=[{:name "x" :secret "hunter2"}]`}, want: `--token-issuers: issuer "x", key 1: bad key: a secret for HS256 has at least 32 bytes, this one has 7`},
		{name: "origin", args: []string{"--origins=example.com/x"}, want: `--origins: origin "example.com/x"`},
		{name: "short csrf secret", args: []string{"--csrf-secret=hunter2", "--csrf-cookie=sid"}, want: "--csrf-secret: a CSRF secret has at least 32 bytes, this one has 7"},
		{name: "csrf cookie", args: []string{"--csrf-secret=" + secretOf('b'), "--csrf-cookie=a b"}, want: "--csrf-cookie: a CSRF check needs the name of the session cookie"},
		{name: "braces", args: []string{`--channel-rules=[{:channels "a"} {:channels "{user}"}]`}, want: `--channel-rules: bad rule 2 for channels, "{user}": of braces there is only {uid}, and once`},
		{name: "user without a place", args: []string{`--channel-rules=[{:channels "a" :publish :user}]`}, want: `--channel-rules: bad rule 1 for channels, "a": the user himself needs a {uid} in the pattern`},
		{name: "event", args: []string{`--event-rules=[{:events "a" :send :user}]`}, want: `--event-rules: bad rule 1 for events, "a": the user himself needs a {uid} in the pattern`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := faultsOf(t, tt.args...)
			if tt.want == "" && got != nil || tt.want != "" && (len(got) != 1 || !strings.HasPrefix(got[0], tt.want)) {
				t.Errorf("\n got %q\nwant %q", got, tt.want)
			}
			if strings.Contains(strings.Join(got, ""), "hunter2") {
				t.Error("a fault quotes a secret")
			}
		})
	}
	got := faultsOf(t, "--token-secret=short", "--origins=a b", `--channel-rules=[{:channels "{}"}]`, `--event-rules=[{:events "{}"}]`)
	var options []string
	for _, f := range got {
		option, _, _ := strings.Cut(f, ":")
		options = append(options, option)
	}
	if want := []string{"--origins", "--token-secret", "--channel-rules", "--event-rules"}; !reflect.DeepEqual(options, want) {
		t.Errorf("together: %q", got)
	}
}
