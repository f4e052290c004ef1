package bus

import (
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/hoshi-ws/hoshi/pkg/codec"
	"github.com/hoshi-ws/hoshi/pkg/codec/edn"
)

// What both ends say on hoshi.api.revoke and hoshi.api.kick is one map. A key
// that is not known is refused: a misspelt one would leave out what narrows the
// request, and reach people whom nobody means.

// maxAdminBody bounds the body of a request of this kind, in bytes.
const maxAdminBody = 16 << 10

// adminField is a key of such a map, and what reads its value.
type adminField struct {
	key  string // with its colon
	read func(r *adminReader, text []byte) error
}

// adminReader reads one map.
type adminReader struct {
	now     time.Time
	format  codec.Format // that the body came in
	convert codec.Converter
}

// read calls the field of each key of the map. Errors match ErrBadBody, and
// quote no value.
func (r *adminReader) read(body []byte, fields []adminField) error {
	if len(body) > maxAdminBody {
		return fmt.Errorf("%w: more than %d bytes", ErrBadBody, maxAdminBody)
	}
	text := body
	if r.format != codec.EDN {
		var err error
		if text, err = r.convert.Append(nil, body, r.format, codec.EDN); err != nil {
			return fmt.Errorf("%w: %w", ErrBadBody, err)
		}
	}
	var scan edn.Scanner
	form, err := scan.Form(text, 0)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrBadBody, err)
	}
	if form.Kind != edn.Map {
		return fmt.Errorf("%w: not a map", ErrBadBody)
	}
	entries := edn.EntriesOf(text, form)
	for {
		key, v, ok := entries.Next()
		if !ok {
			return nil
		}
		known := false
		for i := range fields {
			if f := &fields[i]; entries.KeyIs(key, f.key) {
				known = true
				if err := f.read(r, v.Text(text)); err != nil {
					return fmt.Errorf("%w: %s %w", ErrBadBody, f.key, err)
				}
			}
		}
		if !known {
			return fmt.Errorf("%w: an unknown key", ErrBadBody)
		}
	}
}

// nameField reads the name of a user. In JSON a string that begins with a colon
// is a keyword, as everywhere.
func nameField(key string, into *Name) adminField {
	return adminField{key, func(r *adminReader, text []byte) error {
		if s, err := edn.Unquote(nil, text); err == nil && r.format == codec.JSON {
			if text, err = CommandLineName(string(s)); err != nil {
				return err
			}
		}
		*into = EDN(string(text))
		_, err := into.Token()
		return err
	}}
}

var (
	errNoString = errors.New("must be a string")
	errEmpty    = errors.New("must not be empty")
	errNoTime   = errors.New("must be a time: milliseconds since 1970, or an #inst")
	errFarTime  = errors.New("is no time of these years; mind that it is in milliseconds")
	errNoNumber = errors.New("must be a number")
)

// textField reads a string of at most limit bytes.
func textField(key string, limit int, into *string) adminField {
	return adminField{key, func(_ *adminReader, text []byte) error {
		s, err := edn.Unquote(nil, text)
		switch {
		case err != nil:
			return errNoString
		case len(s) == 0:
			return errEmpty
		case len(s) > limit:
			return fmt.Errorf("must have at most %d bytes", limit)
		}
		*into = string(s)
		return nil
	}}
}

// timeField reads a time, in whole milliseconds.
func timeField(key string, into *time.Time) adminField {
	return adminField{key, func(r *adminReader, text []byte) error {
		t, err := r.time(text)
		if err != nil {
			return err
		}
		if farTime(t, r.now) {
			return errFarTime
		}
		*into = t
		return nil
	}}
}

// earliest is a time before which no token was made. Seconds taken for
// milliseconds are before it.
var earliest = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

// farTime reports whether t can be no time that a revocation is about.
func farTime(t, now time.Time) bool {
	return t.Before(earliest) || t.After(now.Add(MaxRevocation))
}

func (r *adminReader) time(text []byte) (time.Time, error) {
	if ms, err := strconv.ParseInt(string(text), 10, 64); err == nil {
		return time.UnixMilli(ms), nil
	}
	s, err := edn.Unquote(nil, text)
	if err != nil {
		// As JSON an #inst is a string by RFC 3339.
		quoted, err := r.convert.Append(nil, text, codec.EDN, codec.JSON)
		if err != nil || text[0] != '#' {
			return time.Time{}, errNoTime
		}
		if s, err = edn.Unquote(nil, quoted); err != nil {
			return time.Time{}, errNoTime
		}
	} else if r.format != codec.JSON {
		return time.Time{}, errNoTime
	}
	t, err := time.Parse(time.RFC3339Nano, string(s))
	if err != nil {
		return time.Time{}, errNoTime
	}
	return t.Truncate(time.Millisecond), nil
}
