package keys

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"strings"
)

// ParsePEM makes keys of all blocks of a PEM text: public keys (PKIX, or PKCS #1
// for RSA) and certificates, whose validity and issuer do not count. id and
// algorithm go for all of them. A private key is an error: it has no business
// on a node.
func ParsePEM(id, algorithm string, text []byte) ([]Key, error) {
	var found []Key
	for rest := text; ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			if len(bytes.TrimSpace(rest)) > 0 && len(found) > 0 {
				return nil, fmt.Errorf("%w: something that is no PEM follows key %d", ErrBadKey, len(found))
			}
			break
		}
		var public crypto.PublicKey
		var err error
		switch {
		case block.Type == "PUBLIC KEY":
			public, err = x509.ParsePKIXPublicKey(block.Bytes)
		case block.Type == "RSA PUBLIC KEY":
			public, err = x509.ParsePKCS1PublicKey(block.Bytes)
		case block.Type == "CERTIFICATE":
			var c *x509.Certificate
			if c, err = x509.ParseCertificate(block.Bytes); err == nil {
				public = c.PublicKey
			}
		case strings.HasSuffix(block.Type, "PRIVATE KEY"):
			return nil, fmt.Errorf("%w: a private key; checking needs the public one alone", ErrBadKey)
		default:
			return nil, fmt.Errorf("%w: a PEM block of type %q; want PUBLIC KEY, RSA PUBLIC KEY or CERTIFICATE", ErrBadKey, block.Type)
		}
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrBadKey, err)
		}
		k, err := NewPublic(id, algorithm, public)
		if err != nil {
			return nil, err
		}
		if found = append(found, k); len(found) > MaxKeys {
			return nil, fmt.Errorf("%w: more than %d keys", ErrBadKey, MaxKeys)
		}
	}
	if len(found) == 0 {
		return nil, fmt.Errorf("%w: there is no PEM: want PUBLIC KEY, RSA PUBLIC KEY or CERTIFICATE", ErrBadKey)
	}
	return found, nil
}
