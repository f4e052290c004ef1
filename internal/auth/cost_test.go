package auth_test

import (
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"slices"
	"testing"

	"github.com/hoshi-ws/hoshi/internal/auth"
)

// long is a signer with a key of RSA that some issuers have.
var long = signer{"RS256", must(rsa.GenerateKey(rand.Reader, 4096))}

// TestVerifyFast holds what a loop checks itself, and what it leaves to others.
func TestVerifyFast(t *testing.T) {
	slow := map[string]bool{"ES384": true, "ES512": true}
	for _, s := range append(slices.Clip(signers), long) {
		v := only(t, s)
		token := s.sign(t, claims(nil), nil)
		id, err := v.VerifyFast(token)
		switch {
		case slow[s.algorithm] || s.private == long.private:
			if !errors.Is(err, auth.ErrSlow) {
				t.Errorf("%s: %v", s.algorithm, err)
			}
			if id, err = v.Verify(token); err != nil || id.UID != "alice" {
				t.Errorf("%s, elsewhere: %v", s.algorithm, err)
			}
		case err != nil || id.UID != "alice":
			t.Errorf("%s: %v", s.algorithm, err)
		}
		// What is refused without a look at the signature is refused here.
		if _, err := v.VerifyFast(token[1:]); errors.Is(err, auth.ErrSlow) || err == nil {
			t.Errorf("%s, malformed: %v", s.algorithm, err)
		}
	}
}

// TestVerifyFastCountsKeys tries a token that names no key with several.
func TestVerifyFastCountsKeys(t *testing.T) {
	s := by("ES256")
	i := auth.Issuer{}
	for range 4 {
		i.Keys = append(i.Keys, s.source(t))
	}
	v := verifier(t, auth.Options{Issuers: []auth.Issuer{i}})
	if _, err := v.VerifyFast(s.sign(t, claims(nil), nil)); !errors.Is(err, auth.ErrSlow) {
		t.Errorf("four keys: %v", err)
	}
}
