package edge

import (
	"strings"

	"github.com/hoshi-ws/hoshi/pkg/bus"
)

// exists reports whether the rules let a channel with this token exist.
func (o *ChannelOptions) exists(token string) bool {
	if !o.MustExist {
		return true
	}
	text := displayName(token)
	for _, p := range o.Patterns {
		if matches(p, text) {
			return true
		}
	}
	return false
}

// displayName returns what people call the thing behind a token: a string's
// own text, any other value's EDN text, the token itself where it is no name.
func displayName(token string) string {
	text, err := bus.ParseToken(token)
	if err != nil {
		return token
	}
	if s, ok := plainString(text); ok {
		return s
	}
	return string(text)
}

// matches reports whether text matches pattern, in which * stands for any run
// of characters.
func matches(pattern, text string) bool {
	head, rest, star := strings.Cut(pattern, "*")
	if !star {
		return pattern == text
	}
	if !strings.HasPrefix(text, head) {
		return false
	}
	text = text[len(head):]
	for {
		part, more, star := strings.Cut(rest, "*")
		if !star {
			return strings.HasSuffix(text, part)
		}
		i := strings.Index(text, part)
		if i < 0 {
			return false
		}
		text, rest = text[i+len(part):], more
	}
}
