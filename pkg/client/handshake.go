package client

import (
	"errors"
	"fmt"
	"io"

	"github.com/hoshi-ws/hoshi/pkg/codec"
	"github.com/hoshi-ws/hoshi/pkg/codec/edn"
)

// readHandshake reads the first event of a connection.
func (l *link) readHandshake() (Session, error) {
	p, err := l.readMessage()
	if err != nil {
		return Session{}, l.refused(err)
	}
	var env codec.Envelope
	if err := l.parser.EDN(p, &env); err != nil || string(env.ID) != ":chsk/handshake" {
		return Session{}, fmt.Errorf("the first message is %s and no :chsk/handshake: is this a sente-lite service?", clip(string(p)))
	}
	return parseHandshake(env.Data)
}

// refused says that a connection ended before its handshake.
func (l *link) refused(err error) error {
	if d, ok := errors.AsType[*Disconnect](err); ok {
		d.Cause = CauseRefused
		return d
	}
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return fmt.Errorf("read the handshake: %w", err)
}

// parseHandshake reads [uid csrf {..} first?].
func parseHandshake(data []byte) (Session, error) {
	elems := edn.ElementsOf(data, form(data))
	uid, ok := elems.Next()
	if !ok {
		return Session{}, fmt.Errorf("the handshake %s has no uid", clip(string(data)))
	}
	s := Session{UID: EDN(data[uid.Start:uid.End])}
	if csrf, ok := elems.Next(); ok {
		s.CSRF = unquoted(data, csrf)
	}
	more, _ := elems.Next()
	entries := edn.EntriesOf(data, more)
	for {
		key, value, ok := entries.Next()
		if !ok {
			return s, nil
		}
		switch {
		case entries.KeyIs(key, ":conn-id"):
			s.ConnID = unquoted(data, value)
		case entries.KeyIs(key, ":hoshi"):
			s.Version = unquoted(data, value)
		case entries.KeyIs(key, ":handshake-data"):
			s.Data = EDN(value.Text(data))
		}
	}
}

// unquoted returns a string's own text, "" for any other value.
func unquoted(p []byte, f edn.Form) string {
	if f.Kind != edn.String {
		return ""
	}
	s, err := edn.Unquote(nil, f.Text(p))
	if err != nil {
		return ""
	}
	return string(s)
}
