package bus

import (
	"fmt"
	"strconv"
	"time"

	"github.com/hoshi-ws/hoshi/pkg/codec"
	"github.com/hoshi-ws/hoshi/pkg/codec/edn"
)

// Bounds of a [Revocation].
const (
	// DefaultRevocation is how long a revocation is remembered where it does not
	// say. It must not be less than tokens are good for.
	DefaultRevocation = 24 * time.Hour
	// MaxRevocation is how far its times may lie ahead.
	MaxRevocation = 366 * 24 * time.Hour
	// MaxTokenID is the longest id of a token that can be revoked, in bytes.
	MaxTokenID = 1024
)

// Revocation takes trust back: from a user (UID), from one token (TokenID), or from
// everybody (neither). Times are of whole milliseconds.
type Revocation struct {
	// UID is whose tokens are meant; the zero Name is nobody's.
	UID Name
	// TokenID is the jti of the one token that is meant.
	TokenID string
	// IssuedBefore says which tokens of the user, or of everybody, are meant: those
	// that were issued before, and those that do not say when. Of who comes without
	// a token the time of the connection counts. Zero is now for a user; for
	// everybody it must be set, and for one token it must not.
	IssuedBefore time.Time
	// Until is how long nodes remember it: until all that it means has expired. Zero
	// is now and [DefaultRevocation].
	Until time.Time
}

// Complete fills in what is left out, and reports what is wrong. The error matches
// [ErrBadBody].
func (r *Revocation) Complete(now time.Time) error {
	bad := func(what string) error { return fmt.Errorf("%w: %s", ErrBadBody, what) }
	user := r.UID != Name{}
	if user {
		if _, err := r.UID.Token(); err != nil {
			return fmt.Errorf("%w: :uid %w", ErrBadBody, err)
		}
	}
	switch {
	case user && r.TokenID != "":
		return bad("either :uid or :token-id")
	case r.TokenID != "" && !r.IssuedBefore.IsZero():
		return bad(":token-id is one token, whenever it was issued")
	case len(r.TokenID) > MaxTokenID:
		return bad(":token-id is too long")
	case !user && r.TokenID == "" && r.IssuedBefore.IsZero():
		return bad("one of :uid, :token-id and :issued-before must be there")
	case user && r.IssuedBefore.IsZero():
		// The end of this millisecond: who has come in it is meant.
		r.IssuedBefore = now.Truncate(time.Millisecond).Add(time.Millisecond)
	}
	if r.Until.IsZero() {
		r.Until = now.Truncate(time.Millisecond).Add(DefaultRevocation)
	}
	switch {
	case farTime(r.IssuedBefore, now) && !r.IssuedBefore.IsZero():
		return bad(":issued-before " + errFarTime.Error())
	case !r.Until.After(now):
		return bad(":until is over")
	case farTime(r.Until, now):
		return bad(":until " + errFarTime.Error())
	}
	return nil
}

// ParseRevocation reads the body of a request on hoshi.api.revoke, a value of that
// format, and completes it. The error matches [ErrBadBody], and quotes nothing of
// the body.
func ParseRevocation(f codec.Format, body []byte, now time.Time) (Revocation, error) {
	var v Revocation
	r := &adminReader{now: now, format: f}
	err := r.read(body, []adminField{
		nameField(":uid", &v.UID),
		textField(":token-id", MaxTokenID, &v.TokenID),
		timeField(":issued-before", &v.IssuedBefore),
		timeField(":until", &v.Until),
	})
	if err == nil {
		err = v.Complete(now)
	}
	if err != nil {
		return Revocation{}, err
	}
	return v, nil
}

// append writes the body of the request.
func (r *Revocation) append(dst []byte) []byte {
	dst = append(dst, "{:until "...)
	dst = strconv.AppendInt(dst, r.Until.UnixMilli(), 10)
	if r.TokenID != "" {
		dst = append(dst, " :token-id "...)
		dst = edn.AppendString(dst, r.TokenID)
	}
	if r.UID != (Name{}) {
		dst = append(dst, " :uid "...)
		dst = append(dst, r.UID.text()...)
	}
	if !r.IssuedBefore.IsZero() {
		dst = append(dst, " :issued-before "...)
		dst = strconv.AppendInt(dst, r.IssuedBefore.UnixMilli(), 10)
	}
	return append(dst, '}')
}

// text is the EDN text of a good name.
func (n Name) text() []byte {
	text, err := ParseToken(n.token)
	if err != nil {
		return []byte("nil") // refused where it arrives
	}
	return text
}
