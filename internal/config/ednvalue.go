package config

import (
	"fmt"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/alecthomas/kong"
)

// What stands for a secret where values are shown.
const hidden = "..."

// ednOption writes the value of an option as a file has it, "nil" where it has
// none. secret reports that something of it is not shown.
func ednOption(f *kong.Flag, v reflect.Value) (text string, secret bool) {
	switch list := v.Interface().(type) {
	case []string:
		return ednList(list, func(s string) string {
			shown := ednString(withoutLogin(f.Name, s))
			secret = secret || shown != ednString(s)
			return shown
		}), secret
	case []Rule:
		return ednList(list, func(r Rule) string { return "[" + ednString(r.Pattern) + " :" + r.Policy + "]" }), false
	case []Batch:
		return ednList(list, func(b Batch) string {
			return "[" + ednString(b.Pattern) + " " + ednString(shortDuration(b.Delay)) + "]"
		}), false
	case []ChannelRule:
		return ednList(list, ednChannelRule), false
	case []EventRule:
		return ednList(list, func(r EventRule) string {
			return "{:events " + ednString(r.Pattern) + " :send " + ednPeople(r.Send) + "}"
		}), false
	case []TokenIssuer:
		for _, i := range list {
			secret = secret || i.Secret != "" || withoutLogin(f.Name, i.JWKS) != i.JWKS
		}
		return ednList(list, ednIssuer), secret
	case Size:
		if text := list.String(); strings.HasSuffix(text, "B") {
			return ednString(text), false
		}
		return strconv.FormatInt(int64(list), 10), false
	case time.Duration:
		return ednString(shortDuration(list)), false
	case bool, int:
		return fmt.Sprint(list), false
	case Ratio:
		return strconv.FormatFloat(float64(list), 'f', -1, 64), false
	}
	text = v.String() // strings, and addresses
	switch {
	case text == "":
		return "nil", false
	case f.Tag.Has("secret"):
		return ednString(hidden), true
	case f.Tag.Has("oneof") && ednWord.MatchString(text):
		return ":" + text, false
	}
	shown := ednString(withoutLogin(f.Name, text))
	return shown, shown != ednString(text)
}

// ednWord is what is a keyword with a colon before it.
var ednWord = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9-]*$`)

// withoutLogin takes user and password out of what may be a URL.
func withoutLogin(option, text string) string {
	scheme, rest, ok := strings.Cut(text, "://")
	switch {
	case ok:
		scheme += "://"
	case option == "nats-url": // where a scheme may be left out
		scheme, rest = "", text
	default:
		return text
	}
	if i := strings.LastIndexByte(rest, '@'); i >= 0 {
		return scheme + hidden + rest[i:]
	}
	return text
}

func ednList[T any](list []T, edn func(T) string) string {
	if len(list) == 0 {
		return "nil"
	}
	items := make([]string, len(list))
	for i, item := range list {
		items[i] = edn(item)
	}
	return "[" + strings.Join(items, " ") + "]"
}

// ednString writes a string on one line.
func ednString(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\r':
			b.WriteString(`\r`)
		case r == '\t':
			b.WriteString(`\t`)
		case r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 || r == 0x2028 || r == 0x2029:
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String()
}

// shortDuration is d without the units that are 0 at its end: 1m and not 1m0s.
func shortDuration(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

func ednChannelRule(r ChannelRule) string {
	text := "{:channels " + ednString(r.Pattern) + " :subscribe " + ednPeople(r.Subscribe) + " :publish " + ednPeople(r.Publish)
	if r.MaxSubscribers > 0 {
		text += " :max-subscribers " + strconv.Itoa(r.MaxSubscribers)
	}
	if r.MaxMessage > 0 {
		text += " :max-message " + strconv.FormatInt(int64(r.MaxMessage), 10)
	}
	if r.PublishRate > 0 {
		text += " :publish-rate " + strconv.Itoa(r.PublishRate)
	}
	return text + "}"
}

func ednPeople(list []Who) string {
	who := func(w Who) string {
		if w.Kind == "claim" {
			return "{:claim " + ednString(w.Name) + " :value " + ednString(w.Value) + "}"
		}
		return ":" + w.Kind
	}
	switch len(list) {
	case 0:
		return ":nobody"
	case 1:
		return who(list[0])
	}
	return ednList(list, who)
}

func ednIssuer(i TokenIssuer) string {
	var parts []string
	add := func(key, value string) {
		if value != "" {
			parts = append(parts, ":"+key+" "+ednString(value))
		}
	}
	add("name", i.Name)
	if len(i.Audiences) > 0 {
		parts = append(parts, ":audiences "+ednList(i.Audiences, ednString))
	}
	add("algorithm", i.Algorithm)
	if i.Secret != "" {
		add("secret", hidden)
	}
	add("keys-file", i.KeysFile)
	add("jwks", withoutLogin("", i.JWKS))
	return "{" + strings.Join(parts, " ") + "}"
}
