package config

import (
	"slices"
	"strings"
	"time"

	"olympos.io/encoding/edn"
)

// Rule is a policy for the channels that match a pattern, in which * stands for
// any run of characters.
type Rule struct{ Pattern, Policy string }

// Batch is how long messages of the channels that match a pattern may wait for
// others, from 0 to a minute in whole milliseconds.
type Batch struct {
	Pattern string
	Delay   time.Duration
}

// rules is what options differ in whose values are rules, R each: a pattern and
// what goes for it.
type rules[R any] struct {
	thing      string // what goes for a pattern
	like       string // a rule as a flag has it
	likeInFile string // rules as a file has them
	keywords   bool   // in a file it may be a keyword
	rule       func(pattern, thing string) (R, error)
}

var overflowRules = rules[Rule]{
	thing: "a policy", like: "price/*=latest-only", likeInFile: `[["price/*" :latest-only]]`, keywords: true, rule: newRule,
}

var batchRules = rules[Batch]{
	thing: "a time", like: "price/*=50ms", likeInFile: `[["price/*" "50ms"]]`, rule: newBatch,
}

// policies are what an option of --overflow can say.
var policies = []string{"disconnect", "drop-oldest", "drop-newest", "latest-only"}

func newRule(pattern, policy string) (Rule, error) {
	if !slices.Contains(policies, policy) {
		hint := didYouMean(policy, policies, func(p string) string { return p })
		if hint == "" {
			hint = ": want one of " + strings.Join(policies, ", ")
		}
		return Rule{}, problem("unknown policy " + quote(policy) + " for " + quote(pattern) + hint)
	}
	return Rule{pattern, policy}, nil
}

// maxBatch is the longest Delay.
const maxBatch = time.Minute

func newBatch(pattern, text string) (Batch, error) {
	wrong := func(p problem) (Batch, error) {
		return Batch{}, problem(quote(text)+" for "+quote(pattern)+" ") + p
	}
	d, err := time.ParseDuration(text)
	switch {
	case err != nil:
		return wrong(errDuration)
	case d < 0:
		return wrong("is too small, the least is 0")
	case d > maxBatch:
		return wrong("is too large, the most is 1m")
	case d%time.Millisecond != 0:
		return wrong("is no multiple of 1ms")
	}
	return Batch{pattern, d}, nil
}

// parse reads "pattern=thing". The pattern may hold further signs.
func (k *rules[R]) parse(s string) (R, error) {
	i := strings.LastIndexByte(s, '=')
	if i < 0 {
		var none R
		return none, problem(quote(s) + " is no rule: want a pattern and " + k.thing + ", like " + k.like)
	}
	return k.of(s[:i], s[i+1:])
}

func (k *rules[R]) of(pattern, thing string) (R, error) {
	if pattern == "" {
		var none R
		return none, problem("a rule has no pattern: want the name of a channel, in which * stands for any run of characters")
	}
	return k.rule(pattern, thing)
}

// appendTo takes "a=b,c=d" from a flag or a variable, a vector of pairs from a
// file. List grows only if all of them are right.
func (k *rules[R]) appendTo(list *[]R, raw any) error {
	want := "wants a vector of pairs, each a pattern and " + k.thing + ", like " + k.likeInFile
	grown := *list
	switch raw := raw.(type) {
	case string:
		for item := range strings.SplitSeq(raw, ",") {
			if item = strings.TrimSpace(item); item == "" {
				continue
			}
			r, err := k.parse(item)
			if err != nil {
				return err
			}
			grown = append(grown, r)
		}
	case []any:
		for _, item := range raw {
			pattern, thing, ok := k.pair(item)
			if !ok {
				return problem(want + ", and not " + quote(item))
			}
			r, err := k.of(pattern, thing)
			if err != nil {
				return err
			}
			grown = append(grown, r)
		}
	case map[any]any:
		return problem(want + ": their order counts, so it is no map")
	default:
		return problem(want)
	}
	*list = grown
	return nil
}

// pair takes apart what a file has for one rule.
func (k *rules[R]) pair(item any) (pattern, thing string, ok bool) {
	pair, _ := item.([]any)
	if len(pair) != 2 {
		return "", "", false
	}
	pattern, ok = pair[0].(string)
	if keyword, isKeyword := pair[1].(edn.Keyword); isKeyword && k.keywords {
		return pattern, string(keyword), ok
	}
	thing, isText := pair[1].(string)
	return pattern, thing, ok && isText
}

// orderProblem says of the first rule that an earlier one leaves nothing for,
// "" where there is none.
func orderProblem[R any](list []R, pattern func(R) string) string {
	for i, r := range list {
		for _, before := range list[:i] {
			if p := pattern(before); p == pattern(r) || p == "*" {
				return quote(pattern(r)) + " is never looked at, as " + quote(p) + " comes before it: the first rule that matches counts, put it further up"
			}
		}
	}
	return ""
}
