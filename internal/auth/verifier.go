package auth

import (
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/hoshi-ws/hoshi/internal/auth/keys"
)

// MaxToken is the largest token that is looked at, in bytes.
const MaxToken = 8 << 10

// AnyAudience among the audiences of an issuer takes tokens for anybody.
const AnyAudience = "*"

// maxTries bounds the signatures that one token may have us check: a token that
// names no key is tried with all keys of its algorithm, up to this many.
const maxTries = 8

// maxFile bounds a file with keys.
const maxFile = 1 << 20

// Issuer is somebody who makes tokens.
type Issuer struct {
	// Name is what iss of its tokens says. It may be empty, for tokens of any
	// iss or none, if there is no other issuer.
	Name string
	// Audiences are what aud may say; one of them is enough. Without any, a
	// token must have no aud: one for somebody else is not for us (RFC 7519,
	// section 4.1.3).
	Audiences []string
	// Keys that it signs with, at least one.
	Keys []KeySource
}

// KeySource is where keys come from: exactly one of Secret, PEM, File and URL.
type KeySource struct {
	ID        string // kid; tokens with another one are not tried. Not for a URL, whose keys have their own.
	Algorithm string // HS256 and RS256 by default where the kind of key has several
	Secret    []byte
	PEM       string // public keys or certificates
	File      string // with PEM, read by New
	URL       string // of a JWKS: https, or http on loopback
}

// Options of a Verifier. It takes copies.
type Options struct {
	Issuers []Issuer // at least one
	// Leeway is how far clocks may differ; 30 s by default, at most 5 minutes,
	// negative for none.
	Leeway time.Duration
	// Required are claims that a token must have besides sub.
	Required []string
	// AllowEndless takes tokens without exp.
	AllowEndless bool
	// Fetch has times, TLS and OnFetch for all key sets; its URL and Algorithm
	// do not count.
	Fetch keys.Options
	// Now is the clock; nil is time.Now.
	Now func() time.Time
}

// Verifier checks tokens. It may be used by any number of goroutines.
type Verifier struct {
	// Fixed after New.
	issuers  []*issuer
	leeway   time.Duration
	required []string
	endless  bool
	now      func() time.Time
	parser   *jwt.Parser
}

type issuer struct {
	name      string
	audiences []string
	fixed     []keys.Key
	remotes   []*keys.Remote
}

// Identity is who a token says that somebody is. It is the caller's, and keeps
// nothing of the request in memory.
type Identity struct {
	UID    string // sub: not empty, at most 255 bytes of UTF-8
	ID     string // jti; empty where there is none
	Issuer string // iss; empty where there is none

	IssuedAt time.Time // iat; zero where there is none
	// Expires is when the Verifier stops to take the token: exp, and the leeway.
	// Zero is never.
	Expires time.Time

	Claims Claims // all of them
}

// New checks the options, all of them, and returns all faults joined. Keys are
// there, but for those of urls: see Start.
func New(o Options) (*Verifier, error) {
	v := &Verifier{
		leeway: o.Leeway, required: append([]string(nil), o.Required...), endless: o.AllowEndless, now: o.Now,
		// Which key counts, and so which algorithm, depends on claims; and claims
		// are ours to judge, since the library compares names without regard to case.
		parser: jwt.NewParser(jwt.WithStrictDecoding(), jwt.WithoutClaimsValidation()),
	}
	var faults []error
	switch {
	case v.leeway == 0:
		v.leeway = 30 * time.Second
	case v.leeway < 0:
		v.leeway = 0
	case v.leeway > 5*time.Minute:
		faults = append(faults, errors.New("leeway is more than 5 minutes"))
	}
	if v.now == nil {
		v.now = time.Now
	}
	if len(o.Issuers) == 0 {
		faults = append(faults, errors.New("no issuer"))
	}
	names := map[string]bool{}
	for _, i := range o.Issuers {
		switch {
		case names[i.Name]:
			faults = append(faults, fmt.Errorf("issuer %q is there twice", i.Name))
		case i.Name == "" && len(o.Issuers) > 1:
			faults = append(faults, errors.New("of several issuers each needs a name"))
		}
		names[i.Name] = true
		known := &issuer{name: i.Name, audiences: append([]string(nil), i.Audiences...)}
		if len(i.Keys) == 0 {
			faults = append(faults, fmt.Errorf("issuer %q has no keys", i.Name))
		}
		for n, source := range i.Keys {
			if err := known.add(source, o.Fetch); err != nil {
				faults = append(faults, fmt.Errorf("issuer %q, key %d: %w", i.Name, n+1, err))
			}
		}
		v.issuers = append(v.issuers, known)
	}
	if len(faults) > 0 {
		return nil, errors.Join(faults...)
	}
	return v, nil
}

func (i *issuer) add(s KeySource, o keys.Options) error {
	given := 0
	for _, is := range []bool{len(s.Secret) > 0, s.PEM != "", s.File != "", s.URL != ""} {
		if is {
			given++
		}
	}
	if given != 1 {
		return errors.New("want exactly one of secret, PEM, file and url")
	}
	var found []keys.Key
	var err error
	switch {
	case s.URL != "":
		if s.ID != "" {
			return errors.New("the keys of a url have ids of their own")
		}
		o.URL, o.Algorithm = s.URL, s.Algorithm
		r, err := keys.NewRemote(o)
		if err != nil {
			return err
		}
		i.remotes = append(i.remotes, r)
		return nil
	case s.PEM != "":
		found, err = keys.ParsePEM(s.ID, s.Algorithm, []byte(s.PEM))
	case s.File != "":
		var text []byte
		if text, err = readFile(s.File); err == nil {
			if found, err = keys.ParsePEM(s.ID, s.Algorithm, text); err != nil {
				err = fmt.Errorf("%s: %w", s.File, err)
			}
		}
	default:
		found = make([]keys.Key, 1)
		found[0], err = keys.NewSecret(s.ID, s.Algorithm, s.Secret)
	}
	if err != nil {
		return err
	}
	i.fixed = append(i.fixed, found...)
	return nil
}

func readFile(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err == nil && len(text) > maxFile {
		err = fmt.Errorf("%s: more than %d bytes", name, maxFile)
	}
	return text, err
}

// Start begins to fetch key sets, and returns at once: until one is there,
// tokens that need it are refused with ReasonPending or ReasonKeys. It is called
// once, before Stop.
func (v *Verifier) Start() {
	for _, i := range v.issuers {
		for _, r := range i.remotes {
			r.Start()
		}
	}
}

// Stop ends fetching and waits for that. Keys that are there go on to be used.
func (v *Verifier) Stop() {
	for _, i := range v.issuers {
		for _, r := range i.remotes {
			r.Stop()
		}
	}
}
