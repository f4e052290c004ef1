package rules

import (
	"errors"
	"fmt"
	"strings"
)

// Bounds of a policy.
const (
	MaxRules   = 1000 // of channels, and as many of events
	MaxClaims  = 64   // different claims that rules ask for, together
	MaxPattern = 1024 // bytes
)

// ErrBadRule matches every error about a rule.
var ErrBadRule = errors.New("bad rule")

// Kind is a class of people.
type Kind uint8

// The kinds of people that a rule may let in. Nobody is a rule without any.
const (
	Anyone        Kind = iota + 1
	Authenticated      // who has a uid that somebody vouches for
	User               // who has the uid that {uid} of the pattern found
	Claim              // whose identity says Value of Name
)

// Who is somebody that a rule lets in.
type Who struct {
	Kind  Kind
	Name  string // of a claim
	Value string // that the claim equals or contains
}

// Rule says who may do what with the names that match a pattern.
type Rule struct {
	Pattern   string
	Subscribe []Who // any of them; empty is nobody. Not looked at for events
	Publish   []Who // also: who may send an event
	Limits    any   // handed out with the decision, not looked at
}

// Claims is what a policy asks about an identity.
type Claims interface {
	// Holds reports whether the claim equals the value or contains it.
	Holds(name, value string) bool
}

// Policy is a set of rules. The zero value, and nil, allow everything.
type Policy struct {
	channels, events []rule
	claims           []Who
}

// Grant is what of an identity matters to one policy. The zero value is a
// stranger. It is a value, 24 bytes, and goes with the policy that made it.
type Grant struct {
	uid    string
	claims uint64
}

// Op is what somebody wants to do with a channel.
type Op uint8

// The operations.
const (
	Subscribe Op = iota
	Publish
)

// Decision is the answer. Rule is the index of the rule that decided, -1 where
// there was none.
type Decision struct {
	Allowed bool
	Rule    int
	Limits  any
}

// New compiles rules, which it does not keep. All faults are returned, joined;
// they match ErrBadRule.
func New(channels, events []Rule) (*Policy, error) {
	p := &Policy{}
	var faults []error
	compile := func(what string, list []Rule) (all []rule) {
		if len(list) > MaxRules {
			faults = append(faults, fmt.Errorf("%w: %d rules for %s, more than %d", ErrBadRule, len(list), what, MaxRules))
			return nil
		}
		for i, from := range list {
			r, err := p.compile(from, what == "events")
			if err != nil {
				faults = append(faults, fmt.Errorf("%w %d for %s, %q: %w", ErrBadRule, i+1, what, from.Pattern, err))
			}
			all = append(all, r)
		}
		return all
	}
	p.channels, p.events = compile("channels", channels), compile("events", events)
	if len(faults) > 0 {
		return nil, errors.Join(faults...)
	}
	return p, nil
}

// Restricts reports whether there is any rule.
func (p *Policy) Restricts() bool { return p != nil && len(p.channels)+len(p.events) > 0 }

// Grant prepares for an identity: the uid that somebody vouches for, empty for
// none, and the claims, nil for none.
func (p *Policy) Grant(uid string, claims Claims) Grant {
	g := Grant{uid: uid}
	if p == nil || claims == nil {
		return g
	}
	for i, c := range p.claims {
		if claims.Holds(c.Name, c.Value) {
			g.claims |= 1 << i
		}
	}
	return g
}

// Held returns the claims that rules ask for and an identity has, name and value:
// what holds just these has the same grant.
func (p *Policy) Held(g Grant) (held [][2]string) {
	if p == nil {
		return nil
	}
	for i, c := range p.claims {
		if g.claims&(1<<i) != 0 {
			held = append(held, [2]string{c.Name, c.Value})
		}
	}
	return held
}

// Channel decides about a channel by the text of its id.
func (p *Policy) Channel(g Grant, op Op, text string) Decision {
	if p == nil {
		return Decision{Allowed: true, Rule: -1}
	}
	return decide(p.channels, g, op, text)
}

// Event decides about sending an event by its id, with or without the colon.
func (p *Policy) Event(g Grant, id string) Decision {
	if p == nil {
		return Decision{Allowed: true, Rule: -1}
	}
	return decide(p.events, g, Publish, strings.TrimPrefix(id, ":"))
}

func decide(list []rule, g Grant, op Op, text string) Decision {
	for i := range list {
		r := &list[i]
		segment, ok := r.match(text)
		if !ok {
			continue
		}
		return Decision{Allowed: r.may[op].has(g, segment), Rule: i, Limits: r.limits}
	}
	return Decision{Allowed: len(list) == 0, Rule: -1}
}

// rule is a compiled Rule.
type rule struct {
	head   string // fixed text
	user   bool   // a segment follows
	tail   string // then this pattern, with stars
	may    [2]people
	limits any
}

type people struct {
	anyone, authenticated, user bool
	claims                      uint64 // bits of Policy.claims, of which one is enough
}

func (w people) has(g Grant, segment string) bool {
	return w.anyone || w.authenticated && g.uid != "" || w.user && g.uid != "" && g.uid == segment || w.claims&g.claims != 0
}

const userMark = "{uid}"

func (p *Policy) compile(from Rule, event bool) (rule, error) {
	pattern := from.Pattern
	if event {
		pattern = strings.TrimPrefix(pattern, ":")
	}
	if pattern == "" || len(pattern) > MaxPattern {
		return rule{}, fmt.Errorf("a pattern has 1 to %d bytes", MaxPattern)
	}
	r := rule{limits: from.Limits}
	head, rest, user := strings.Cut(pattern, userMark)
	switch {
	case strings.ContainsAny(head, "{}") || strings.ContainsAny(rest, "{}"):
		return rule{}, errors.New("of braces there is only {uid}, and once")
	case user && strings.Contains(head, "*"):
		return rule{}, errors.New("no * may stand before {uid}")
	case user && rest != "" && rest[0] != '/':
		return rule{}, errors.New("behind {uid} comes a / or nothing")
	}
	r.user = user
	if user {
		r.head, r.tail = head, rest
	} else {
		at := strings.IndexByte(pattern, '*')
		if at < 0 {
			at = len(pattern)
		}
		r.head, r.tail = pattern[:at], pattern[at:]
	}
	if event && len(from.Subscribe) > 0 {
		return rule{}, errors.New("nobody subscribes to an event")
	}
	for op, list := range [][]Who{from.Subscribe, from.Publish} {
		for _, w := range list {
			if err := p.admit(&r.may[op], w, user); err != nil {
				return rule{}, err
			}
		}
	}
	return r, nil
}

func (p *Policy) admit(to *people, w Who, user bool) error {
	if w.Kind != Claim && (w.Name != "" || w.Value != "") {
		return errors.New("only a claim has a name and a value")
	}
	switch w.Kind {
	case Anyone:
		to.anyone = true
	case Authenticated:
		to.authenticated = true
	case User:
		if !user {
			return errors.New("the user himself needs a {uid} in the pattern")
		}
		to.user = true
	case Claim:
		if w.Name == "" {
			return errors.New("a claim needs a name")
		}
		bit, err := p.claim(w)
		if err != nil {
			return err
		}
		to.claims |= bit
	default:
		return fmt.Errorf("no kind of people: %d", w.Kind)
	}
	return nil
}

// claim returns the bit of a claim.
func (p *Policy) claim(w Who) (uint64, error) {
	for i, c := range p.claims {
		if c == w {
			return 1 << i, nil
		}
	}
	if len(p.claims) == MaxClaims {
		return 0, fmt.Errorf("more than %d different claims", MaxClaims)
	}
	p.claims = append(p.claims, w)
	return 1 << (len(p.claims) - 1), nil
}

// match returns what {uid} found.
func (r *rule) match(text string) (segment string, ok bool) {
	if !strings.HasPrefix(text, r.head) {
		return "", false
	}
	text = text[len(r.head):]
	if r.user {
		end := strings.IndexByte(text, '/')
		if end < 0 {
			end = len(text)
		}
		if end == 0 {
			return "", false
		}
		segment, text = text[:end], text[end:]
	}
	return segment, glob(r.tail, text)
}

// glob reports whether text is what pattern says, in which * is any run. Each
// part between stars is taken at its first place: that leaves most to the rest.
func glob(pattern, text string) bool {
	part, rest, star := strings.Cut(pattern, "*")
	if !star {
		return pattern == text
	}
	if !strings.HasPrefix(text, part) {
		return false
	}
	text = text[len(part):]
	for {
		part, rest, star = strings.Cut(rest, "*")
		if !star {
			return strings.HasSuffix(text, part)
		}
		at := strings.Index(text, part)
		if at < 0 {
			return false
		}
		text = text[at+len(part):]
	}
}
