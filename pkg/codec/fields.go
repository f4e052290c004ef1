package codec

import (
	"bytes"

	"github.com/hoshi-ws/hoshi/pkg/codec/edn"
	"github.com/hoshi-ws/hoshi/pkg/codec/json"
	"github.com/hoshi-ws/hoshi/pkg/codec/msgpack"
	"github.com/hoshi-ws/hoshi/pkg/codec/transit"
	"github.com/hoshi-ws/hoshi/pkg/codec/value"
)

// fields is the scratch of Fields.
type fields struct {
	json    []json.Form
	transit []transit.Form
	msgpack []msgpack.Form
	key     keyText
}

// keepParts is how many parts of a map a Parser keeps room for: those of 32 entries.
const keepParts = 64

// Fields looks in the one value that p holds in format f for entries whose keys are these keywords, given with their colons, in
// JSON for the names without. It sets values[i] to the value of keywords[i], a part of p, and to nil where there is no such entry.
// It is false where p is no map; the empty p is none. p must be a part of a message, such as Envelope.Data.
func (p *Parser) Fields(f Format, data []byte, keywords []string, values [][]byte) bool {
	clear(values)
	if len(data) == 0 {
		return false
	}
	switch f {
	case JSON:
		return p.fieldsOfJSON(data, keywords, values)
	case Transit, TransitVerbose:
		return p.fieldsOfTransit(data, keywords, values)
	case MessagePack:
		return p.fieldsOfMessagePack(data, keywords, values)
	default:
		return p.fieldsOfEDN(data, keywords, values)
	}
}

func (p *Parser) fieldsOfEDN(data []byte, keywords []string, values [][]byte) bool {
	form, err := p.scan.edn.Form(data, 0)
	if err != nil || form.Kind != edn.Map {
		return false
	}
	entries := edn.EntriesOf(data, form)
	for {
		key, v, ok := entries.Next()
		if !ok {
			return true
		}
		for i, k := range keywords {
			if entries.KeyIs(key, k) {
				values[i] = data[v.Start:v.End]
			}
		}
	}
}

// room returns scratch for parts, of a bounded size between calls.
func room[T any](parts []T) []T {
	if cap(parts) == 0 || cap(parts) > keepParts {
		return make([]T, keepParts)
	}
	return parts[:cap(parts)]
}

func (p *Parser) fieldsOfJSON(data []byte, keywords []string, values [][]byte) bool {
	parts := room(p.fields.json)
	form, n, err := p.scan.json.Split(data, parts)
	if err == nil && n > len(parts) {
		parts = make([]json.Form, n)
		form, n, err = p.scan.json.Split(data, parts)
	}
	p.fields.json = parts
	if err != nil || form.Kind != json.Object {
		return false
	}
	for i := 0; i+1 < n; i += 2 {
		key := parts[i].Text(data)
		if inside := key[1 : len(key)-1]; bytes.IndexByte(inside, '\\') < 0 {
			p.fields.key.set(inside)
		} else if !p.fields.key.read(&p.scan, JSON, key) {
			continue
		}
		p.fields.key.find(keywords, values, parts[i+1].Text(data))
	}
	return true
}

func (p *Parser) fieldsOfTransit(data []byte, keywords []string, values [][]byte) bool {
	parts := room(p.fields.transit)
	r := p.scan.transitReader()
	form, n, _, err := r.Split(data, parts, nil)
	if err == nil && n > len(parts) {
		parts = make([]transit.Form, n)
		form, n, _, err = r.Split(data, parts, nil)
	}
	p.fields.transit = parts
	if err != nil || form.Kind != transit.Map {
		return false
	}
	for i := 0; i+1 < n; i += 2 {
		key, v := parts[i], parts[i+1]
		if key.Kind == transit.Keyword && p.fields.key.read(&p.scan, Transit, data[key.Start:key.End]) {
			p.fields.key.find(keywords, values, data[v.Start:v.End])
		}
	}
	return true
}

func (p *Parser) fieldsOfMessagePack(data []byte, keywords []string, values [][]byte) bool {
	parts := room(p.fields.msgpack)
	r := p.scan.msgpackReader()
	form, n, _, err := r.Split(data, parts, nil)
	if err == nil && n > len(parts) {
		parts = make([]msgpack.Form, n)
		form, n, _, err = r.Split(data, parts, nil)
	}
	p.fields.msgpack = parts
	if err != nil || form.Kind != msgpack.Map {
		return false
	}
	for i := 0; i+1 < n; i += 2 {
		key, v := parts[i], parts[i+1]
		if key.Kind == msgpack.Keyword && p.fields.key.read(&p.scan, MessagePack, data[key.Start:key.End]) {
			p.fields.key.find(keywords, values, data[v.Start:v.End])
		}
	}
	return true
}

// keyText is the name of a key, a keyword or in JSON any string. What is longer than any that is looked for is none.
type keyText struct {
	value.Sink // nil: told nothing but one of the two
	text       [32]byte
	n          int
}

func (k *keyText) set(name []byte) {
	if k.n = 0; len(name) <= len(k.text) {
		k.n = copy(k.text[:], name)
	}
}

// Keyword takes the name of the key.
func (k *keyText) Keyword(name []byte) { k.set(name) }

// String takes the name of the key.
func (k *keyText) String(name []byte) { k.set(name) }

// read takes the name of a key that is a keyword, or in JSON any string.
func (k *keyText) read(scan *Scanner, f Format, text []byte) bool {
	if f != JSON {
		if name := plainName(f, text); name != nil {
			k.set(name)
			return true
		}
	}
	return scan.walk(f, text, k) == nil
}

// find sets the value of the keyword that the key is.
func (k *keyText) find(keywords []string, values [][]byte, v []byte) {
	for i, keyword := range keywords {
		if string(k.text[:k.n]) == keyword[1:] {
			values[i] = v
		}
	}
}
