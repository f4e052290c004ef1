package config

import (
	"fmt"
	"math"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/alecthomas/kong"
	"olympos.io/encoding/edn"
)

// mapper decodes every option, whatever its type and wherever its value comes
// from. kong stops at the first error of a mapper, so faults are put aside and
// the decoding goes on.
type mapper struct{ s *session }

var (
	addrType     = reflect.TypeFor[Addr]()
	sizeType     = reflect.TypeFor[Size]()
	durationType = reflect.TypeFor[time.Duration]()
	ratioType    = reflect.TypeFor[Ratio]()
)

// mappers registers m for every kind an option or an argument may have.
func (s *session) mappers() []kong.Option {
	m := mapper{s}
	opts := []kong.Option{
		kong.TypeMapper(addrType, m), kong.TypeMapper(sizeType, m), kong.TypeMapper(durationType, m), kong.TypeMapper(ratioType, m),
	}
	for _, k := range []reflect.Kind{reflect.Bool, reflect.Int, reflect.String, reflect.Slice} {
		opts = append(opts, kong.KindMapper(k, m))
	}
	return opts
}

// IsBoolFromValue tells kong which options stand without a value.
func (mapper) IsBoolFromValue(v reflect.Value) bool { return v.Kind() == reflect.Bool }

// Decode takes the next value into target. A wrong one becomes a fault of the
// session, not an error.
func (m mapper) Decode(ctx *kong.DecodeContext, target reflect.Value) error {
	var raw any
	switch peek := ctx.Scan.Peek(); {
	case target.Kind() == reflect.Bool && peek.Type != kong.FlagValueToken:
		raw = true
	case !peek.IsValue():
		m.s.fault(ctx.Value.Name, "needs a value")
		return nil
	default:
		raw = ctx.Scan.Pop().Value
	}
	if ctx.Value.Flag == nil { // a positional argument is taken as it is
		target.SetString(fmt.Sprint(raw))
		return nil
	}
	if err := set(ctx.Value.Tag, target, raw); err != nil {
		m.s.fault(ctx.Value.Name, err.Error())
	}
	return nil
}

// set converts raw, a string or a value read from EDN, into target and checks
// it against the limits of the tag.
func set(tag *kong.Tag, target reflect.Value, raw any) error {
	switch list := target.Addr().Interface().(type) {
	case *[]Rule:
		return overflowRules.appendTo(list, raw)
	case *[]Batch:
		return batchRules.appendTo(list, raw)
	case *[]ChannelRule:
		return channelRules.appendTo(list, raw)
	case *[]EventRule:
		return eventRules.appendTo(list, raw)
	case *[]TokenIssuer:
		return tokenIssuers.appendTo(list, raw)
	case *[]string:
		return appendList(list, raw)
	}
	v, err := convert(target.Type(), raw)
	if err != nil {
		if tag.Has("secret") {
			return err
		}
		return fmt.Errorf("%s %w", quote(raw), err)
	}
	if err := within(tag, v); err != nil {
		return fmt.Errorf("%s %w", quote(raw), err)
	}
	target.Set(v)
	return nil
}

// problem is an error that reads well behind the quoted value.
type problem string

func (p problem) Error() string { return string(p) }

const errDuration = problem("is no duration: want a number with a unit, like 30s or 500ms")

func convert(t reflect.Type, raw any) (reflect.Value, error) {
	v := reflect.New(t).Elem()
	if k, ok := raw.(edn.Keyword); ok && t.Kind() == reflect.String && t != addrType {
		raw = string(k) // :info for "info"
	}
	text, isText := raw.(string)
	n, isInt := raw.(int64)
	switch {
	case t == addrType:
		if !isText {
			return v, problem("is no address: want a string like \"127.0.0.1:8080\"")
		}
		a, err := parseAddr(text)
		if err != nil {
			return v, problem("is no address: " + err.Error())
		}
		v.SetString(string(a))
	case t == sizeType:
		if isInt && n >= 0 {
			v.SetInt(n)
			break
		}
		s, err := parseSize(text)
		if !isText || err != nil {
			return v, problem("is no size: " + errSize.Error())
		}
		v.SetInt(int64(s))
	case t == durationType:
		d, err := time.ParseDuration(text)
		if !isText || err != nil {
			return v, errDuration
		}
		v.SetInt(int64(d))
	case t == ratioType:
		r, err := parseRatio(raw)
		if err != nil {
			return v, err
		}
		v.SetFloat(float64(r))
	case t.Kind() == reflect.Int:
		if isText {
			parsed, err := strconv.ParseInt(text, 10, 64)
			n, isInt = parsed, err == nil
		}
		if !isInt || n > math.MaxInt || n < math.MinInt {
			return v, problem("is no whole number")
		}
		v.SetInt(n)
	case t.Kind() == reflect.Bool:
		b, ok := raw.(bool)
		if isText {
			parsed, err := strconv.ParseBool(text)
			b, ok = parsed, err == nil
		}
		if !ok {
			return v, problem("is neither true nor false")
		}
		v.SetBool(b)
	default:
		if s, ok := raw.(string); ok {
			v.SetString(s)
			break
		}
		return v, problem("is no string: put it in double quotes")
	}
	return v, nil
}

// within checks the bounds min and max, the step, and the words of oneof.
func within(tag *kong.Tag, v reflect.Value) error {
	if words := tag.Get("oneof"); words != "" {
		for w := range strings.SplitSeq(words, ",") {
			if w == v.String() {
				return nil
			}
		}
		return fmt.Errorf("is none of %s", strings.ReplaceAll(words, ",", ", "))
	}
	for _, bound := range []string{"min", "max"} {
		if !tag.Has(bound) {
			continue
		}
		limit, err := convert(v.Type(), tag.Get(bound))
		if err != nil {
			return err // a broken tag, which the tests of this package would see
		}
		if bound == "min" && v.Int() < limit.Int() {
			return fmt.Errorf("is too small, the least is %s", tag.Get(bound))
		}
		if bound == "max" && v.Int() > limit.Int() {
			return fmt.Errorf("is too large, the most is %s", tag.Get(bound))
		}
	}
	if tag.Has("step") {
		step, err := convert(v.Type(), tag.Get("step"))
		if err != nil {
			return err // as above
		}
		if v.Int()%step.Int() != 0 {
			return fmt.Errorf("is no multiple of %s", tag.Get("step"))
		}
	}
	return nil
}

// appendList takes "a,b" from a flag or a variable, a string or a vector of
// strings from a file.
func appendList(list *[]string, raw any) error {
	var items []string
	switch raw := raw.(type) {
	case string:
		for item := range strings.SplitSeq(raw, ",") {
			if item = strings.TrimSpace(item); item != "" {
				items = append(items, item)
			}
		}
	case []any:
		for _, item := range raw {
			text, ok := item.(string)
			if !ok || text == "" {
				return problem("wants a vector of strings")
			}
			items = append(items, text)
		}
	default:
		return problem("wants a string or a vector of strings")
	}
	*list = append(*list, items...)
	return nil
}

// quote shows a wrong value, shortened, on one line.
func quote(raw any) string {
	text, ok := raw.(string)
	if !ok {
		text = ednText(raw)
	}
	const most = 60
	if r := []rune(text); len(r) > most {
		text = string(r[:most]) + "..."
	}
	if !ok {
		return text
	}
	return strconv.Quote(text)
}

// ednText writes a value read from EDN as a person would.
func ednText(raw any) string {
	if list, ok := raw.([]any); ok {
		items := make([]string, len(list))
		for i, item := range list {
			items[i] = ednText(item)
		}
		return "[" + strings.Join(items, " ") + "]"
	}
	b, err := edn.Marshal(raw)
	if err != nil {
		return fmt.Sprint(raw)
	}
	return string(b)
}
