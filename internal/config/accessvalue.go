package config

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"olympos.io/encoding/edn"
)

// Examples that faults end with.
const (
	likeChannelRule = `{:channels "chat/*" :subscribe :anyone :publish :authenticated}`
	likeEventRule   = `{:events "public/*" :send :anyone}`
	likeIssuer      = `{:name "https://id.example.com/" :jwks "https://id.example.com/jwks.json"}`
)

// mapsOf is how options are read whose values are maps, V each, in a vector: in
// a file as they are, and as its EDN text elsewhere.
type mapsOf[V any] struct {
	thing string // what one is
	like  string
	keys  []string
	named string // the key whose value tells one from the others
	read  func(m fields) (V, error)
}

var (
	channelRules = mapsOf[ChannelRule]{"rule", likeChannelRule, []string{"channels", "subscribe", "publish", "max-subscribers", "max-message", "publish-rate"}, "channels", readChannelRule}
	eventRules   = mapsOf[EventRule]{"rule", likeEventRule, []string{"events", "send"}, "events", readEventRule}
	tokenIssuers = mapsOf[TokenIssuer]{
		"issuer", likeIssuer,
		[]string{"name", "audiences", "algorithm", "secret", "secret-file", "keys-file", "jwks"},
		"name", readIssuer,
	}
)

// fields are those of one map.
type fields map[string]any

// appendTo takes a vector of maps. List grows only if all of them are right.
func (k *mapsOf[V]) appendTo(list *[]V, raw any) error {
	want := problem("wants a vector of maps, like [" + k.like + "]")
	if text, ok := raw.(string); ok {
		if raw, ok = parseValue(text); !ok {
			return problem("is not EDN that can be read: ") + want
		}
	}
	items, ok := raw.([]any)
	if !ok {
		return want
	}
	grown := *list
	for i, item := range items {
		m, name, err := k.fields(item)
		if err == nil {
			var v V
			if v, err = k.read(m); err == nil {
				grown = append(grown, v)
				continue
			}
		}
		return fmt.Errorf("%s %d%s: %w", k.thing, i+1, name, err)
	}
	*list = grown
	return nil
}

// fields checks the keys of a map, and returns what faults call it.
func (k *mapsOf[V]) fields(item any) (m fields, name string, err error) {
	all, ok := item.(map[any]any)
	if !ok {
		return nil, "", problem("is no map: want one like " + k.like)
	}
	m = fields{}
	var unknown []string
	for key, value := range all {
		keyword, _ := key.(edn.Keyword)
		if !slices.Contains(k.keys, string(keyword)) {
			unknown = append(unknown, string(keyword))
			continue
		}
		m[string(keyword)] = value
	}
	if text, ok := m[k.named].(string); ok {
		name = " (" + quote(text) + ")"
	}
	if len(unknown) == 0 {
		return m, name, nil
	}
	slices.Sort(unknown)
	if unknown[0] == "" { // not quoted: it may be a secret behind a value that was forgotten
		return nil, name, problem("wants keywords as keys, like " + k.like)
	}
	hint := didYouMean(unknown[0], k.keys, func(s string) string { return ":" + s })
	if hint == "" {
		hint = ": want " + keywords(k.keys)
	}
	return nil, name, problem("unknown key :" + unknown[0] + hint)
}

func keywords(names []string) string {
	return ":" + strings.Join(names[:len(names)-1], ", :") + " or :" + names[len(names)-1]
}

// text returns the string of a key, empty where it is not there.
func (m fields) text(key string) (string, error) {
	switch v := m[key].(type) {
	case nil:
		return "", nil
	case string:
		if v != "" {
			return v, nil
		}
	}
	return "", problem(":" + key + " is no string, or an empty one")
}

func (m fields) pattern(key, of string) (string, error) {
	p, err := m.text(key)
	if err == nil && p == "" {
		err = problem("has no :" + key + ": want the pattern of " + of + ", in which * stands for any run of characters")
	}
	return p, err
}

func readChannelRule(m fields) (r ChannelRule, err error) {
	var errs [6]error
	r.Pattern, errs[0] = m.pattern("channels", "channels")
	r.Subscribe, errs[1] = m.people("subscribe")
	r.Publish, errs[2] = m.people("publish")
	r.MaxSubscribers, errs[3] = m.limit("max-subscribers", 1<<31-1)
	r.MaxMessage, errs[4] = m.size("max-message")
	r.PublishRate, errs[5] = m.limit("publish-rate", maxPublishRate)
	return r, firstOf(errs[:])
}

// maxPublishRate is in messages a second.
const maxPublishRate = 1_000_000

// limit returns the number of a key, 0 where it is not there.
func (m fields) limit(key string, most int64) (int, error) {
	raw, there := m[key]
	if v, ok := raw.(int64); ok && v >= 1 && v <= most {
		return int(v), nil
	}
	if !there {
		return 0, nil
	}
	return 0, problem(fmt.Sprintf(":%s wants a whole number from 1 to %d; leave it out where there is to be no limit", key, most))
}

// size returns the number of bytes of a key, 0 where it is not there.
func (m fields) size(key string) (Size, error) {
	switch v := m[key].(type) {
	case nil:
		return 0, nil
	case int64:
		if v >= 1 {
			return Size(v), nil
		}
	case string:
		if size, err := parseSize(v); err == nil && size >= 1 {
			return size, nil
		}
	}
	return 0, problem(":" + key + ` wants a size from 1, like 1024 or "64KiB"`)
}

func readEventRule(m fields) (r EventRule, err error) {
	var errs [2]error
	r.Pattern, errs[0] = m.pattern("events", "event ids")
	r.Send, errs[1] = m.people("send")
	return r, firstOf(errs[:])
}

func firstOf(errs []error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

const likeWho = `:anyone, :authenticated, :user, :nobody or {:claim "role" :value "admin"}`

// people reads one, or a vector of those of whom one is enough. Nothing is
// nobody.
func (m fields) people(key string) ([]Who, error) {
	raw := m[key]
	if raw == nil || raw == edn.Keyword("nobody") {
		return nil, nil
	}
	list, several := raw.([]any)
	if !several {
		list = []any{raw}
	}
	var all []Who
	for _, item := range list {
		w, err := readWho(item)
		if err != nil {
			return nil, fmt.Errorf(":%s %w", key, err)
		}
		all = append(all, w)
	}
	return all, nil
}

func readWho(raw any) (Who, error) {
	switch raw := raw.(type) {
	case edn.Keyword:
		kinds := []string{"anyone", "authenticated", "user", "nobody"}
		switch i := slices.Index(kinds, string(raw)); {
		case i == 3:
			return Who{}, problem("wants :nobody alone: nobody besides somebody is nothing")
		case i >= 0:
			return Who{Kind: kinds[i]}, nil
		}
		hint := didYouMean(string(raw), kinds, func(k string) string { return ":" + k })
		if hint == "" {
			hint = ": want " + likeWho
		}
		return Who{}, problem("says :" + string(raw) + ", which is nobody known" + hint)
	case map[any]any:
		name, _ := raw[edn.Keyword("claim")].(string)
		var value string
		switch v := raw[edn.Keyword("value")].(type) {
		case string:
			value = v
		case int64, bool:
			value = fmt.Sprint(v)
		default:
			name = ""
		}
		if name != "" && len(raw) == 2 {
			return Who{Kind: "claim", Name: name, Value: value}, nil
		}
		return Who{}, problem(`wants a claim as {:claim "role" :value "admin"}, the value a string, a whole number or a boolean`)
	}
	return Who{}, problem("wants " + likeWho + ", or a vector of those")
}

func readIssuer(m fields) (i TokenIssuer, err error) {
	var secretFile string
	errs := make([]error, 6)
	i.Name, errs[0] = m.text("name")
	i.Algorithm, errs[1] = m.text("algorithm")
	i.Secret, errs[2] = m.text("secret")
	secretFile, errs[3] = m.text("secret-file")
	i.KeysFile, errs[4] = m.text("keys-file")
	i.JWKS, errs[5] = m.text("jwks")
	if a := m["audiences"]; a != nil {
		if err := appendList(&i.Audiences, a); err != nil {
			errs = append(errs, fmt.Errorf(":audiences %w", err))
		}
	}
	if err := firstOf(errs); err != nil {
		return i, err
	}
	given := 0
	for _, s := range []string{i.Secret, secretFile, i.KeysFile, i.JWKS} {
		if s != "" {
			given++
		}
	}
	if given != 1 {
		return i, problem("wants exactly one of :secret, :secret-file, :keys-file and :jwks")
	}
	if secretFile != "" {
		if i.Secret, err = readSecret(secretFile); err != nil {
			return i, fmt.Errorf(":secret-file: %w", err)
		}
	}
	return i, nil
}

// parseValue reads one EDN value.
func parseValue(text string) (v any, ok bool) {
	// The decoder panics on a few inputs, such as a set in a set.
	defer func() {
		if recover() != nil {
			ok = false
		}
	}()
	d := edn.NewDecoder(strings.NewReader(text))
	var more any
	return v, d.Decode(&v) == nil && errors.Is(d.Decode(&more), io.EOF)
}

// maxSecret bounds a file with a secret: beyond it something else was named.
const maxSecret = 64 << 10

// readSecret returns the text of a file without the line break at its end, which
// editors put there.
func readSecret(path string) (string, error) {
	f, err := os.Open(path)
	if err == nil {
		defer f.Close()
		var text []byte
		if text, err = io.ReadAll(io.LimitReader(f, maxSecret+1)); err == nil {
			secret := strings.TrimSuffix(strings.TrimSuffix(string(text), "\n"), "\r")
			switch {
			case len(text) > maxSecret:
				return "", fmt.Errorf("%s is larger than %v", path, Size(maxSecret))
			case secret == "":
				return "", fmt.Errorf("%s is empty", path)
			}
			return secret, nil
		}
	}
	if pe, ok := errors.AsType[*os.PathError](err); ok {
		err = pe.Err
	}
	return "", fmt.Errorf("%s: %w", path, err)
}
