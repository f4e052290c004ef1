package certs

import (
	"crypto/x509"
	"errors"
	"fmt"
)

// Field is where in a client's certificate its name is.
type Field string

// The fields that can be names.
const (
	CommonName Field = "cn"    // of the subject
	DNS        Field = "dns"   // of the alternative names, as all below
	Email      Field = "email" //
	URI        Field = "uri"   // SPIFFE's, for instance
)

// Valid reports whether f is one of these.
func (f Field) Valid() bool {
	switch f {
	case CommonName, DNS, Email, URI:
		return true
	}
	return false
}

var (
	errNoName    = errors.New("certs: the certificate has no such name")
	errManyNames = errors.New("certs: the certificate has several such names")
)

// Name returns the one name that a certificate has in that field. Where it has several nobody could say which of them it
// stands for.
func (f Field) Name(leaf *x509.Certificate) (string, error) {
	var names []string
	switch f {
	case CommonName:
		names = []string{leaf.Subject.CommonName}
	case DNS:
		names = leaf.DNSNames
	case Email:
		names = leaf.EmailAddresses
	case URI:
		for _, u := range leaf.URIs {
			names = append(names, u.String())
		}
	default:
		return "", fmt.Errorf("certs: unknown field %q", string(f))
	}
	switch {
	case len(names) == 0 || names[0] == "":
		return "", errNoName
	case len(names) > 1:
		return "", errManyNames
	}
	return names[0], nil
}
