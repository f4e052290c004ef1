package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"olympos.io/encoding/edn"
)

// maxFile bounds a configuration file: beyond it something else was named.
const maxFile = 1 << 20

// entry is one key of a file, in the order written, or what is wrong there.
type entry struct {
	key     string // without the colon
	value   any
	problem string
}

// readFile reads the options from an EDN file.
func (s *session) readFile(path string) ([]entry, error) {
	f, err := os.Open(path)
	if err != nil {
		if pe, ok := errors.AsType[*os.PathError](err); ok {
			return nil, pe.Err // the path is in the fault already
		}
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		if pe, ok := errors.AsType[*os.PathError](err); ok {
			return nil, pe.Err
		}
		return nil, err
	}
	if len(text) > maxFile {
		return nil, fmt.Errorf("larger than %v", Size(maxFile))
	}
	if s.checkEDN != nil {
		if err := s.checkEDN(text); err != nil {
			return nil, err
		}
	}
	return parseFile(text)
}

// parseFile parses one map of keywords. The entries are read one by one,
// because a Go map would swallow a key that is given twice.
func parseFile(text []byte) (entries []entry, err error) {
	defer func() {
		// The decoder panics on a few inputs, such as a set in a set.
		if r := recover(); r != nil {
			entries, err = nil, errors.New("is not EDN that can be read")
		}
	}()
	body, err := mapBody(text)
	if err != nil {
		return nil, err
	}
	d := edn.NewDecoder(bytes.NewReader(body))
	seen := map[string]bool{}
	last := "the opening brace"
	for {
		var key, value any
		if err := d.Decode(&key); err != nil {
			if errors.Is(err, io.EOF) {
				return entries, nil
			}
			return nil, fmt.Errorf("is not EDN: %w", err)
		}
		keyword, ok := key.(edn.Keyword)
		if !ok {
			// Not quoted: where a value was forgotten this may be a secret.
			if err := d.Decode(&value); err != nil {
				return nil, fmt.Errorf("no value that can be read behind the key after %s", last)
			}
			entries = append(entries, entry{problem: "wants keywords as keys: the one after " + last + " is none"})
			continue
		}
		name := string(keyword)
		if err := d.Decode(&value); err != nil {
			return nil, fmt.Errorf("no value that can be read behind :%s", name)
		}
		last = "the value of :" + name
		if seen[name] {
			entries = append(entries, entry{problem: "holds :" + name + " twice"})
			continue
		}
		seen[name] = true
		entries = append(entries, entry{key: name, value: value})
	}
}

var errNoMap = errors.New("wants one map, like {:listen \"0.0.0.0:8080\"}")

// mapBody checks that text is one EDN map and returns what its braces enclose.
func mapBody(text []byte) ([]byte, error) {
	rd := bytes.NewReader(text)
	d := edn.NewDecoder(rd)
	var whole any
	if err := d.Decode(&whole); err != nil {
		if errors.Is(err, io.EOF) {
			return nil, errNoMap
		}
		// The decoder's errors have no place, but it has read up to there.
		read := text[:len(text)-rd.Len()-d.Buffered().Buffered()]
		return nil, fmt.Errorf("is not EDN near line %d: %s", 1+bytes.Count(read, []byte("\n")), strings.ToLower(err.Error()))
	}
	if _, ok := whole.(map[any]any); !ok {
		return nil, errNoMap
	}
	var more any
	if err := d.Decode(&more); !errors.Is(err, io.EOF) {
		return nil, errors.New("holds more than one value")
	}
	var raw document
	if err := edn.Unmarshal(text, &raw); err != nil {
		return nil, fmt.Errorf("is not EDN: %w", err)
	}
	open, end := bytes.IndexByte(raw, '{'), bytes.LastIndexByte(raw, '}')
	if open < 0 || end < open {
		return nil, errNoMap
	}
	return raw[open+1 : end], nil
}

// document takes the text of a value as it stands.
type document []byte

// UnmarshalEDN implements edn.Unmarshaler.
func (d *document) UnmarshalEDN(text []byte) error {
	*d = bytes.Clone(text)
	return nil
}
