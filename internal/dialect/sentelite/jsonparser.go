package sentelite

import (
	"bytes"
	"unicode/utf8"

	"github.com/hoshi-ws/hoshi/internal/dialect"
	"github.com/hoshi-ws/hoshi/pkg/codec"
	"github.com/hoshi-ws/hoshi/pkg/codec/edn"
	"github.com/hoshi-ws/hoshi/pkg/codec/json"
)

// JSONParser reads what clients say in JSON. The zero value is ready; it is not
// for concurrent use.
type JSONParser struct {
	codec   codec.Parser
	scan    json.Scanner
	convert codec.Converter

	// Scratch, kept between calls within bounds.
	parts []json.Form // of the arguments
	name  []byte      // EDN text of the channel
	key   []byte      // EDN text of a key
}

// What a parser keeps: the parts of an object of 32 entries, and 4 KiB of text.
const (
	keepParts = 64
	keepName  = 4 << 10
)

// Parse reads one text message into cmd. It allocates nothing but scratch.
// Errors are those of [dialect.Parser]; what EDN could not hold is refused too.
func (p *JSONParser) Parse(msg []byte, cmd *dialect.Command) error {
	*cmd = dialect.Command{}
	var env codec.Envelope
	if err := p.codec.JSON(msg, &env); err != nil {
		return err
	}
	hasArgs, err := command(&env, cmd)
	if hasArgs {
		p.args(env.Data, cmd)
	}
	return err
}

// args reads the object of a channel operation. Keys that it does not know are
// ignored, as in EDN.
func (p *JSONParser) args(data []byte, cmd *dialect.Command) {
	cmd.BadArgs = true
	if data == nil {
		return
	}
	if cap(p.parts) == 0 || cap(p.parts) > keepParts {
		p.parts = make([]json.Form, keepParts)
	}
	form, n, err := p.scan.Split(data, p.parts)
	if err == nil && n > len(p.parts) {
		p.parts = make([]json.Form, n)
		form, n, err = p.scan.Split(data, p.parts)
	}
	if err != nil || form.Kind != json.Object {
		return
	}
	cmd.BadArgs = false
	for i := 0; i+1 < n; i += 2 {
		value := p.parts[i+1]
		text := value.Text(data)
		switch string(p.plain(p.parts[i].Text(data))) {
		case `"channel-id"`:
			cmd.Channel, cmd.Sent = p.channel(text, value.Kind), text
		case `"data"`:
			cmd.Data = text
		case `"exclude-sender?"`:
			cmd.ExcludeSender = value.Kind != json.Null && !bytes.Equal(text, []byte("false"))
		}
	}
}

// plain returns a key without escapes that it does not need.
func (p *JSONParser) plain(key []byte) []byte {
	if bytes.IndexByte(key, '\\') < 0 {
		return key
	}
	var err error
	if p.key, err = p.convert.Append(p.key[:0], key, codec.JSON, codec.EDN); err != nil || cap(p.key) > keepName {
		p.key = nil
	}
	return p.key
}

// channel returns the EDN text of a channel's name: of a string that begins with
// a colon the keyword, of anything else the value that it becomes in EDN. It
// returns nil where there is none.
func (p *JSONParser) channel(text []byte, kind json.Kind) []byte {
	escaped := bytes.IndexByte(text, '\\') >= 0
	if kind != json.String || escaped {
		if cap(p.name) > keepName {
			p.name = nil
		}
		var err error
		if p.name, err = p.convert.Append(p.name[:0], text, codec.JSON, codec.EDN); err != nil {
			return nil
		}
		if escaped && bytes.ContainsRune(p.name, utf8.RuneError) {
			return nil // half of a surrogate pair, or what it would be mistaken for
		}
		text = p.name
	}
	if kind != json.String || len(text) < 3 || text[1] != ':' {
		return text
	}
	if keyword := text[1 : len(text)-1]; edn.IsKeyword(keyword) {
		return keyword
	}
	return nil
}
