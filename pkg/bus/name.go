package bus

import "github.com/hoshi-ws/hoshi/internal/id"

// Name is the name of a user or a channel: any EDN value. Make one with
// [String], [Keyword] or [EDN]; a bad one is refused where it is used. The
// zero value is refused.
type Name struct {
	token string
	err   error
}

// String is the name that is a string.
func String(s string) Name {
	t, err := StringToken(s)
	return Name{t, err}
}

// Keyword is the name that is a keyword; s has no colon: Keyword("chat/room").
func Keyword(s string) Name { return EDN(":" + s) }

// EDN is the name that is any EDN value, by its text: EDN(`[:doc 7]`). Equal
// values are one name, however they are written.
func EDN(text string) Name {
	t, err := AppendToken(nil, []byte(text))
	return Name{string(t), err}
}

// Token is the name as one subject token. The error matches [ErrBadName].
func (n Name) Token() (string, error) {
	if n.err == nil && n.token == "" {
		return "", ErrBadName
	}
	return n.token, n.err
}

// user is the subject of a user. A uid in the shape of a conn-id is that
// connection: nobody has vouched for it, and it takes no interest as a user.
func (s *Subjects) user(uid Name) (string, error) {
	t, err := uid.Token()
	if err != nil {
		return "", err
	}
	if c, ok := id.ParseConn(t); ok {
		return s.Conn(c), nil
	}
	return s.User(t), nil
}
