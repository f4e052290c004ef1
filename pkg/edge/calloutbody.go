package edge

import (
	"crypto/sha256"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/hoshi-ws/hoshi/internal/auth"
	"github.com/hoshi-ws/hoshi/internal/id"
	"github.com/hoshi-ws/hoshi/pkg/bus"
	"github.com/hoshi-ws/hoshi/pkg/codec"
)

// calloutBody writes a question: a map, of keywords in EDN, and of strings in
// JSON.
type calloutBody struct {
	words *voice
	text  []byte
	more  bool // than the opening brace
}

// begin opens the map with the conn-id.
func (c *callouts) begin(conn id.Conn) *calloutBody {
	b := &calloutBody{words: c.words, text: make([]byte, 0, 256)}
	b.text = append(b.text, '{')
	b.string("conn-id", conn.String())
	return b
}

func (b *calloutBody) end() []byte { return append(b.text, '}') }

func (b *calloutBody) json() bool { return b.words.format == codec.JSON }

func (b *calloutBody) key(name string) {
	first := !b.more
	b.more = true
	if b.json() {
		if !first {
			b.text = append(b.text, ',')
		}
		b.text = append(strconv.AppendQuote(b.text, name), ':')
		return
	}
	if !first {
		b.text = append(b.text, ", "...)
	}
	b.text = append(append(append(b.text, ':'), name...), ' ')
}

// string adds a string; what is no UTF-8 in it is made some.
func (b *calloutBody) string(name, value string) {
	b.key(name)
	b.text = b.words.AppendText(b.text, strings.ToValidUTF8(value, "\uFFFD"))
}

// name adds that of a user or a channel, by its token.
func (b *calloutBody) name(name, token string) {
	b.key(name)
	b.text = b.words.AppendName(b.text, channelText(token))
}

// strings adds a map of strings, or of vectors of them where there are several.
func (b *calloutBody) strings(name string, m map[string][]string) {
	b.key(name)
	b.text = append(b.text, '{')
	for i, key := range slices.Sorted(maps.Keys(m)) {
		sep, colon := ", ", " "
		if b.json() {
			sep, colon = ",", ":"
		}
		if i > 0 {
			b.text = append(b.text, sep...)
		}
		one := func(s string) []byte { return b.words.AppendText(nil, strings.ToValidUTF8(s, "\uFFFD")) }
		b.text = append(append(b.text, one(key)...), colon...)
		if len(m[key]) == 1 {
			b.text = append(b.text, one(m[key][0])...)
			continue
		}
		var list [][]byte
		for _, v := range m[key] {
			list = append(list, one(v))
		}
		b.text = b.words.AppendVector(b.text, list...)
	}
	b.text = append(b.text, '}')
}

// notTold are parameters of the query that backends are not told: they are
// Sente's own, change with each request, or are told elsewhere.
var notTold = []string{"udt", "client-id", "csrf-token", "handshake?", "binary?", "ppstr", "format"}

// connect is the question whether a request may come, and its name in the cache.
func (c *callouts) connect(a *admission) (body []byte, key string) {
	who, from := &a.who, a.from
	b := c.begin(who.conn)
	head := len(b.text)
	if who.uid != "" {
		b.name("uid", who.uid)
	}
	if who.client != "" {
		b.string("client-id", who.client)
	}
	v := c.node.voices[who.voice]
	b.string("dialect", v.Dialect())
	b.string("format", v.suffix)
	b.string("path", a.path)
	query := map[string][]string{}
	for name, values := range from.query {
		if !slices.Contains(notTold, name) && (name != c.node.access.sources.Query || name == "") {
			query[name] = values
		}
	}
	b.strings("query", query)
	headers := map[string][]string{}
	for _, name := range c.headers {
		if values := slices.Collect(from.Values(name)); len(values) > 0 {
			headers[name] = values
		}
	}
	b.strings("headers", headers)
	if from.addr.IsValid() {
		b.string("address", from.addr.String())
	}
	if a.isSente {
		if token := auth.CSRFToken(from, from.csrf); token != "" {
			b.string("csrf-token", token)
		}
	}
	b.key("authenticated")
	b.text = strconv.AppendBool(b.text, who.who != nil)
	if a.repeats {
		sum := sha256.Sum256(b.text[head:])
		key = string(sum[:])
	}
	return b.end(), key
}

// channel is the question about a channel, and its name in the cache.
func (c *callouts) channel(kind bus.CalloutKind, s *session, token string) (body []byte, key string) {
	b := c.begin(s.id)
	who := s.id.String()
	if uid := s.uidToken(); uid != "" {
		b.name("uid", uid)
		who = uid
	}
	if t := s.tab(); t != nil {
		b.string("client-id", t.id)
	}
	b.name("channel", token)
	return b.end(), kind.String() + "\x00" + who + "\x00" + token
}

// uidToken returns the token of the session's user, empty where nobody has vouched
// for one. Loop only.
func (s *session) uidToken() string {
	switch t := s.tab(); {
	case t != nil && t.uid != nilUID:
		return t.uid
	case t == nil && s.user != nil:
		return s.user.Topic().Key()
	}
	return ""
}
