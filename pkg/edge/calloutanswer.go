package edge

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/hoshi-ws/hoshi/internal/id"
	"github.com/hoshi-ws/hoshi/pkg/bus"
	"github.com/hoshi-ws/hoshi/pkg/codec"
	"github.com/hoshi-ws/hoshi/pkg/codec/edn"
)

// granted is what a backend says of a client that it lets connect. Fixed.
type granted struct {
	uid      string // token; empty where it says none
	data     []byte // for the handshake, in format; nil for none
	format   codec.Format
	channels []string // tokens, each once
	expires  time.Duration
}

// size is what it takes in memory, about.
func (g *granted) size() int {
	if g == nil {
		return 0
	}
	n := len(g.uid) + len(g.data) + 96
	for _, ch := range g.channels {
		n += len(ch) + 16
	}
	return n
}

// Faults of an answer.
var (
	errAnswerSize  = fmt.Errorf("it has more than %d bytes", bus.MaxCalloutAnswer)
	errAnswerMap   = errors.New("it is no map")
	errAnswerAllow = errors.New(":allow is neither true nor false")
)

// answerKeys are what an answer may have. Others are passed over.
var answerKeys = []string{":allow", ":uid", ":handshake-data", ":channels", ":expires-in"}

// maxExpiresIn is the longest :expires-in, about a year: what is longer is as good
// as none, and a mistake.
const maxExpiresIn = 366 * 24 * time.Hour

// answerReader reads answers.
type answerReader struct {
	parser    codec.Parser
	converter codec.Converter
	scan      edn.Scanner
	format    codec.Format
}

var answerReaders = sync.Pool{New: func() any { return new(answerReader) }}

// readAnswer reads an answer, which is one valid value of its format. Errors quote
// nothing of it.
func readAnswer(kind bus.CalloutKind, body []byte, f codec.Format, maxChannels int) (ruling, error) {
	if len(body) > bus.MaxCalloutAnswer {
		return ruling{}, errAnswerSize
	}
	r := answerReaders.Get().(*answerReader)
	defer answerReaders.Put(r)
	r.format = f
	values := make([][]byte, len(answerKeys))
	if !r.parser.Fields(f, body, answerKeys, values) {
		return ruling{}, errAnswerMap
	}
	allow, err := r.edn(values[0])
	switch {
	case err != nil:
		return ruling{}, err
	case string(allow) == "false":
		return ruling{end: calloutDenied}, nil
	case string(allow) != "true":
		return ruling{}, errAnswerAllow
	case kind != bus.CalloutConnect:
		return ruling{end: calloutAllowed}, nil
	}
	g := &granted{}
	for i, read := range []func(*granted, []byte) error{r.uid, r.data, r.channels, r.expires} {
		text := values[i+1]
		if text == nil {
			continue
		}
		if err := read(g, text); err != nil {
			return ruling{}, fmt.Errorf("%s %w", answerKeys[i+1], err)
		}
	}
	if n := len(g.channels); n > maxChannels {
		return ruling{}, fmt.Errorf("%s are %d, more than one connection may have", answerKeys[3], n)
	}
	return ruling{end: calloutAllowed, granted: g}, nil
}

// edn returns a part of the answer as EDN text, nil where there is none.
func (r *answerReader) edn(part []byte) ([]byte, error) {
	if part == nil || r.format == codec.EDN {
		return part, nil
	}
	return r.converter.Append(nil, part, r.format, codec.EDN)
}

// token returns that of a name, EDN text. In JSON a string that begins with a colon
// is a keyword.
func (r *answerReader) token(text []byte) (string, error) {
	if s, ok := plainString(text); ok && r.format == codec.JSON && strings.HasPrefix(s, ":") {
		text = []byte(s)
		if r.scan.Check(text) != nil || !edn.IsKeyword(text) {
			return "", errors.New("is no keyword")
		}
	}
	token, err := bus.AppendToken(nil, text)
	if err != nil {
		return "", errors.New("can be no name")
	}
	return string(token), nil
}

func (r *answerReader) uid(g *granted, part []byte) error {
	text, err := r.edn(part)
	if err != nil || string(text) == "nil" {
		return err
	}
	token, err := r.token(text)
	if err != nil {
		return err
	}
	if _, isConn := id.ParseConn(token); isConn || token == nilUID {
		return errors.New("is nobody's own")
	}
	g.uid = token
	return nil
}

func (r *answerReader) data(g *granted, part []byte) error {
	if len(part) > bus.MaxHandshakeData {
		return fmt.Errorf("has more than %d bytes", bus.MaxHandshakeData)
	}
	if string(part) != r.format.Nil() {
		g.data, g.format = slices.Clone(part), r.format
	}
	return nil
}

func (r *answerReader) channels(g *granted, part []byte) error {
	text, err := r.edn(part)
	if err != nil || string(text) == "nil" {
		return err
	}
	form, err := r.scan.Form(text, 0)
	if err != nil {
		return err
	}
	switch form.Kind {
	case edn.Vector, edn.List, edn.Set:
	default:
		return errors.New("is no vector")
	}
	for e := edn.ElementsOf(text, form); ; {
		f, ok := e.Next()
		if !ok {
			return nil
		}
		token, err := r.token(text[f.Start:f.End])
		if err != nil {
			return err
		}
		if !slices.Contains(g.channels, token) {
			g.channels = append(g.channels, token)
		}
	}
}

func (r *answerReader) expires(g *granted, part []byte) error {
	text, err := r.edn(part)
	if err != nil || string(text) == "nil" {
		return err
	}
	seconds, err := strconv.ParseFloat(strings.TrimRight(string(text), "NM"), 64)
	if err != nil || math.IsNaN(seconds) || seconds <= 0 || seconds > maxExpiresIn.Seconds() {
		return errors.New("is no number of seconds that can be")
	}
	g.expires = time.Duration(seconds * float64(time.Second))
	return nil
}
