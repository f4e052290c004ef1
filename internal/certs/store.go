package certs

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"
)

// DefaultEvery is the time between two looks at the files.
const DefaultEvery = time.Second

// readEvery is how often the files are read although nothing tells that they have changed: some tools keep the time of
// the old file.
const readEvery = time.Minute

// Options say which files there are. CertFile and KeyFile are required.
type Options struct {
	// CertFile and KeyFile are PEM: the server's certificate, with those between it and an authority behind it, and its
	// key.
	CertFile, KeyFile string
	// ClientCAFile is PEM, the authorities that clients' certificates are verified against; without it none is asked for.
	ClientCAFile string
	// RequireClient refuses who shows none.
	RequireClient bool
	// MinVersion is the least version of TLS that is spoken. Default 1.2.
	MinVersion uint16
	// Every is the least time between two looks at the files. Default DefaultEvery.
	Every time.Duration
	// Logger hears of new certificates, of those that cannot be used, and of the one in use when it is about to expire.
	Logger zerolog.Logger
}

// Store is what has been read last and can be used. Make it with Load. Its methods may be called from any goroutine.
type Store struct {
	opt    Options
	log    zerolog.Logger
	began  time.Time
	reread time.Duration // readEvery

	next    atomic.Int64 // when the files are looked at again, since began
	current atomic.Pointer[material]

	look struct { // of who looks at the files, one at a time
		sync.Mutex
		stamp  stamp
		read   time.Time // when they were read last
		broken string    // what was wrong with them then, empty where nothing was
		warned warning
	}
}

// material is what the files hold. It is never changed.
type material struct {
	files  contents
	pair   *tls.Certificate
	config *tls.Config // with ClientCAs; nil without ClientCAFile
}

// Load reads the files. Every fault is reported, joined, each as a [*FileError].
func Load(o Options) (*Store, error) {
	if o.MinVersion == 0 {
		o.MinVersion = tls.VersionTLS12
	}
	if o.Every <= 0 {
		o.Every = DefaultEvery
	}
	s := &Store{opt: o, log: o.Logger.With().Str("component", "tls").Logger(), began: time.Now(), reread: readEvery}
	stamp := s.stamp()
	files, err := s.read()
	if err != nil {
		return nil, err
	}
	m, err := s.material(files)
	if err != nil {
		return nil, err
	}
	s.look.stamp, s.look.read = stamp, s.began
	s.current.Store(m)
	s.warn(m.pair.Leaf, s.began)
	return s, nil
}

// Config returns what a listener is configured with, once. HTTP/1.1 is the one protocol: WebSocket needs it, and a client
// that can do without says nothing.
func (s *Store) Config() *tls.Config {
	c := s.base()
	if s.opt.ClientCAFile != "" {
		c.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) {
			s.refresh()
			return s.current.Load().config, nil
		}
	}
	return c
}

func (s *Store) base() *tls.Config {
	return &tls.Config{
		MinVersion: s.opt.MinVersion,
		NextProtos: []string{"http/1.1"},
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
			if s.opt.ClientCAFile == "" {
				s.refresh()
			}
			return s.current.Load().pair, nil
		},
	}
}

// Certificate returns the one in use. It must not be changed.
func (s *Store) Certificate() *x509.Certificate { return s.current.Load().pair.Leaf }

// material makes of the files what is used.
func (s *Store) material(files contents) (*material, error) {
	pair, err := s.pair(files)
	if s.opt.ClientCAFile == "" {
		if err != nil {
			return nil, err
		}
		return &material{files: files, pair: pair}, nil
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(files[clientCA]) {
		err = errors.Join(err, &FileError{ClientCA, s.opt.ClientCAFile, errNoCertificate})
	}
	if err != nil {
		return nil, err
	}
	c := s.base()
	c.ClientCAs, c.ClientAuth = pool, tls.VerifyClientCertIfGiven
	if s.opt.RequireClient {
		c.ClientAuth = tls.RequireAndVerifyClientCert
	}
	// A session that is resumed brings the certificate of its beginning, which an authority may have vouched for that is
	// gone since.
	c.SessionTicketsDisabled = true
	return &material{files: files, pair: pair, config: c}, nil
}

func (s *Store) pair(files contents) (*tls.Certificate, error) {
	if err := checkCertificates(files[certificate]); err != nil {
		return nil, &FileError{Certificate, s.opt.CertFile, err}
	}
	pair, err := tls.X509KeyPair(files[certificate], files[key])
	if err != nil {
		return nil, &FileError{Key, s.opt.KeyFile, err}
	}
	return &pair, nil
}

// refresh looks at the files, if nobody has lately. Somebody's handshake waits for it; others go on with what there is.
func (s *Store) refresh() {
	now := time.Since(s.began)
	next := s.next.Load()
	if int64(now) < next || !s.next.CompareAndSwap(next, int64(now+s.opt.Every)) || !s.look.TryLock() {
		return
	}
	defer s.look.Unlock()
	stamp := s.stamp()
	if stamp != s.look.stamp || time.Since(s.look.read) >= s.reread {
		s.look.stamp, s.look.read = stamp, time.Now()
		s.reload()
	}
	s.warn(s.Certificate(), time.Now())
}

func (s *Store) reload() {
	files, err := s.read()
	old := s.current.Load()
	if err == nil && files.equal(&old.files) {
		s.look.broken = ""
		return
	}
	var m *material
	if err == nil {
		m, err = s.material(files)
	}
	if err != nil {
		if text := err.Error(); text != s.look.broken {
			s.look.broken = text
			s.log.Error().Err(err).Msg("new certificates cannot be used, the old ones stay in use")
		}
		return
	}
	s.look.broken = ""
	s.current.Store(m)
	s.log.Info().Str("subject", m.pair.Leaf.Subject.String()).Time("not_after", m.pair.Leaf.NotAfter).Msg("new certificates are in use")
}
