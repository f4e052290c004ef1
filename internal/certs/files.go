package certs

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"os"
	"time"
)

// maxFile bounds a file, in bytes: all authorities of a browser are a quarter of it.
const maxFile = 1 << 20

// Role is what a file is for.
type Role uint8

// The roles of files.
const (
	Certificate Role = iota + 1
	Key
	ClientCA
)

// FileError is a file that cannot be used. It wraps the cause.
type FileError struct {
	Role Role
	Path string
	Err  error
}

// Error implements error. It quotes nothing of the file.
func (e *FileError) Error() string { return e.Path + ": " + e.Err.Error() }

// Unwrap returns the cause.
func (e *FileError) Unwrap() error { return e.Err }

var errNoCertificate = errors.New("holds no certificate in PEM")

// Places in contents and stamp.
const (
	certificate = iota
	key
	clientCA
	fileCount
)

// contents are the files' bytes.
type contents [fileCount][]byte

func (c *contents) equal(other *contents) bool {
	for i := range c {
		if !bytes.Equal(c[i], other[i]) {
			return false
		}
	}
	return true
}

// stamp is what the system says of the files without reading them.
type stamp [fileCount]struct {
	modified time.Time
	size     int64
}

func (s *Store) paths() [fileCount]string {
	return [fileCount]string{s.opt.CertFile, s.opt.KeyFile, s.opt.ClientCAFile}
}

func (s *Store) stamp() (st stamp) {
	for i, path := range s.paths() {
		if path == "" {
			continue
		}
		if info, err := os.Stat(path); err == nil {
			st[i].modified, st[i].size = info.ModTime(), info.Size()
		}
	}
	return st
}

func (s *Store) read() (c contents, err error) {
	var errs []error
	for i, path := range s.paths() {
		if path == "" {
			continue
		}
		if c[i], err = readFile(path); err != nil {
			errs = append(errs, &FileError{Role(i + 1), path, err})
		}
	}
	return c, errors.Join(errs...)
}

// readFile reads a file that is not too large. Its errors do not name it.
func readFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err == nil {
		defer f.Close() //nolint:errcheck // was only read
		var p []byte
		if p, err = io.ReadAll(io.LimitReader(f, maxFile+1)); err == nil {
			if len(p) > maxFile {
				return nil, fmt.Errorf("is larger than %d bytes", maxFile)
			}
			return p, nil
		}
	}
	if pe, ok := errors.AsType[*os.PathError](err); ok {
		err = pe.Err
	}
	return nil, fmt.Errorf("cannot be read: %w", err)
}

// checkCertificates tells a wrong certificate from a wrong key, which crypto/tls does in words only.
func checkCertificates(text []byte) error {
	found := false
	for {
		var block *pem.Block
		if block, text = pem.Decode(text); block == nil {
			break
		}
		if block.Type != "CERTIFICATE" {
			continue
		}
		found = true
		if _, err := x509.ParseCertificate(block.Bytes); err != nil {
			return fmt.Errorf("holds a certificate that cannot be read: %w", err)
		}
	}
	if !found {
		return errNoCertificate
	}
	return nil
}
