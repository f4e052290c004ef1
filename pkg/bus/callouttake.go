package bus

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/hoshi-ws/hoshi/pkg/codec"
	"github.com/hoshi-ws/hoshi/pkg/codec/edn"
)

// Callout is a node's question whether a client may do something. It may be kept,
// and answered later, from any goroutine; the first answer counts, and one that
// comes after the node's --callout-timeout does not. What is not known is empty.
type Callout struct {
	Kind CalloutKind

	Conn   string // conn-id that the connection has, or will have
	UID    []byte // EDN text; nil where nobody has vouched for a user
	Client string // client-id of a client of Sente

	// Of subscribe and publish.
	Channel []byte // EDN text

	// Of connect.
	Dialect       string // sente or sente-lite
	Wire          string // the format that the client speaks, such as json or edn-gzip
	Path          string
	Query, Header map[string][]string // Header has those that --callout-headers names, in lower case
	Address       string              // of the client, an IP address
	CSRFToken     string              // that a client of Sente has brought
	Authenticated bool                // UID is what a token or a certificate says

	// Body is the question as it came, in Format.
	Body   []byte
	Format codec.Format

	client *Client
	reply  string
}

// TakeCallouts answers call-outs of one kind. Of all who take them with the same
// group, which must not be empty, one gets each. fn is called in order, on one
// goroutine for each TakeCallouts, so what takes long belongs elsewhere. Errors,
// and when it returns, are as of [Client.Take].
func (c *Client) TakeCallouts(ctx context.Context, kind CalloutKind, group string, fn func(*Callout)) (*Subscription, error) {
	if kind >= CalloutKinds || group == "" {
		return nil, fmt.Errorf("take call-outs %s in group %q: %w", kind, group, ErrBadOption)
	}
	var reader calloutReader // used on the subscription's goroutine only
	return c.subscribe(ctx, c.subjects.Callout(kind), group, func(m *nats.Msg) {
		q := &Callout{Kind: kind, Body: m.Data, client: c, reply: m.Reply}
		if err := reader.read(q, first(m.Header[HeaderContentType])); err != nil {
			c.invalid.Add(1)
			c.sampled.Warn().Str("subject", m.Subject).Err(err).Msg("call-out not taken")
			return
		}
		fn(q)
	})
}

// Allow lets the client do it.
func (q *Callout) Allow() error { return q.send([]byte("{:allow true}")) }

// Deny does not.
func (q *Callout) Deny() error { return q.send([]byte("{:allow false}")) }

// AllowAs lets a client connect, and says more of it. Errors, beside those of
// [Event.Reply]: [ErrBadName], [ErrBadBody], [ErrTooLarge].
func (q *Callout) AllowAs(a Admission) error {
	body, err := a.answer()
	if err != nil {
		return fmt.Errorf("answer call-out %s: %w", q.Kind, err)
	}
	return q.send(body)
}

// answer is the EDN text of the answer.
func (a *Admission) answer() ([]byte, error) {
	body := []byte("{:allow true")
	if a.UID != (Name{}) {
		text, err := a.UID.edn()
		if err != nil {
			return nil, fmt.Errorf("uid: %w", err)
		}
		body = append(append(body, ", :uid "...), text...)
	}
	if a.HandshakeData != nil {
		if len(a.HandshakeData) > MaxHandshakeData {
			return nil, fmt.Errorf("handshake data: %w", ErrTooLarge)
		}
		var scan codec.Scanner
		value, err := scan.Value(codec.EDN, a.HandshakeData)
		if err != nil {
			return nil, fmt.Errorf("handshake data: %w: %w", ErrBadBody, err)
		}
		body = append(append(body, ", :handshake-data "...), value...)
	}
	if len(a.Channels) > 0 {
		body = append(body, ", :channels ["...)
		for _, ch := range a.Channels {
			text, err := ch.edn()
			if err != nil {
				return nil, fmt.Errorf("channel: %w", err)
			}
			body = append(append(body, ' '), text...)
		}
		body = append(body, ']')
	}
	if a.ExpiresIn > 0 {
		body = strconv.AppendInt(append(body, ", :expires-in "...), int64((a.ExpiresIn+time.Second-1)/time.Second), 10)
	}
	if body = append(body, '}'); len(body) > MaxCalloutAnswer {
		return nil, ErrTooLarge
	}
	return body, nil
}

// edn is the name as EDN text.
func (n Name) edn() ([]byte, error) {
	t, err := n.Token()
	if err != nil {
		return nil, err
	}
	return ParseToken(t)
}

func (q *Callout) send(body []byte) error {
	if q.reply == "" {
		return ErrNoReply
	}
	nc, err := q.client.conn()
	if err != nil {
		return err
	}
	return mapErr(q.reply, nc.PublishMsg(&nats.Msg{Subject: q.reply, Data: body}))
}

// calloutReader reads the bodies of call-outs.
type calloutReader struct {
	scan    codec.Scanner
	convert codec.Converter
}

// read fills in what the body says.
func (r *calloutReader) read(q *Callout, contentType string) error {
	f, ok := formatOf(contentType, false, q.Body)
	if !ok {
		return fmt.Errorf("content type %q", contentType)
	}
	q.Format = f
	text, err := r.scan.Value(f, q.Body)
	if err == nil && f != codec.EDN {
		text, err = r.convert.Append(nil, text, f, codec.EDN)
	}
	if err != nil {
		return fmt.Errorf("%w: %w", ErrBadBody, err)
	}
	for key, value := range entriesOf(text) {
		switch key {
		case "conn-id":
			q.Conn = textOf(value)
		case "uid":
			q.UID = nameOf(value, f)
		case "client-id":
			q.Client = textOf(value)
		case "channel":
			q.Channel = nameOf(value, f)
		case "dialect":
			q.Dialect = textOf(value)
		case "format":
			q.Wire = textOf(value)
		case "path":
			q.Path = textOf(value)
		case "query":
			q.Query = valuesOf(value)
		case "headers":
			q.Header = valuesOf(value)
		case "address":
			q.Address = textOf(value)
		case "csrf-token":
			q.CSRFToken = textOf(value)
		case "authenticated":
			q.Authenticated = string(value) == "true"
		}
	}
	if q.Conn == "" || q.Channel == nil && q.Kind != CalloutConnect {
		return fmt.Errorf("%w: a key is missing", ErrBadBody)
	}
	return nil
}

// entriesOf walks a map in EDN: the plain text of each key, and its value. Other
// values have no entries.
func entriesOf(text []byte) func(yield func(key string, value []byte) bool) {
	return func(yield func(string, []byte) bool) {
		var scan edn.Scanner
		form, err := scan.Form(text, 0)
		if err != nil {
			return
		}
		for e := edn.EntriesOf(text, form); ; {
			k, v, ok := e.Next()
			if !ok || !yield(textOf(text[k.Start:k.End]), text[v.Start:v.End]) {
				return
			}
		}
	}
}

// textOf is a string's own text, or a keyword's without its colon.
func textOf(text []byte) string {
	if len(text) > 0 && text[0] == ':' {
		return string(text[1:])
	}
	s, err := edn.Unquote(nil, text)
	if err != nil {
		return string(text)
	}
	return string(s)
}

// nameOf is a name as EDN text. In JSON a string that begins with a colon is a
// keyword.
func nameOf(text []byte, f codec.Format) []byte {
	if s, err := edn.Unquote(nil, text); f == codec.JSON && err == nil && len(s) > 1 && s[0] == ':' {
		return s
	}
	return append([]byte(nil), text...)
}

// valuesOf is a map of strings, or vectors of strings.
func valuesOf(text []byte) map[string][]string {
	m := map[string][]string{}
	for key, value := range entriesOf(text) {
		var scan edn.Scanner
		form, err := scan.Form(value, 0)
		if err != nil || form.Kind != edn.Vector {
			m[key] = []string{textOf(value)}
			continue
		}
		for e := edn.ElementsOf(value, form); ; {
			f, ok := e.Next()
			if !ok {
				break
			}
			m[key] = append(m[key], textOf(value[f.Start:f.End]))
		}
	}
	return m
}
