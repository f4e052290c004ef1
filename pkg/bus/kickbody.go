package bus

import (
	"fmt"
	"strconv"
	"unicode/utf8"

	"github.com/hoshi-ws/hoshi/internal/id"
	"github.com/hoshi-ws/hoshi/pkg/codec"
	"github.com/hoshi-ws/hoshi/pkg/codec/edn"
)

// Of a [Kick].
const (
	// KickCode is the close code where it names none.
	KickCode = 4410
	// KickReason is the close reason where it names none.
	KickReason = "kicked"
	// MaxKickReason is the longest close reason, in bytes (RFC 6455 section 5.5).
	MaxKickReason = 123
)

// Kick closes connections: those of a user (UID), one (ConnID), or those of one tab
// of a Sente client (ClientID).
type Kick struct {
	UID              Name
	ConnID, ClientID string
	// Code is the close code that clients are told: 1000, 1012, 1013, or 4000 to
	// 4999, by which it tells whether to come back. 0 is [KickCode].
	Code int
	// Reason is for people, at most [MaxKickReason] bytes. Empty is [KickReason].
	Reason string
}

// Complete fills in what is left out, and reports what is wrong. The error matches
// [ErrBadBody].
func (k *Kick) Complete() error {
	bad := func(what string) error { return fmt.Errorf("%w: %s", ErrBadBody, what) }
	named := 0
	if k.UID != (Name{}) {
		named++
		if _, err := k.UID.Token(); err != nil {
			return fmt.Errorf("%w: :uid %w", ErrBadBody, err)
		}
	}
	if k.ConnID != "" {
		named++
		if _, ok := id.ParseConn(k.ConnID); !ok {
			return bad(":conn-id is none")
		}
	}
	if k.ClientID != "" {
		named++
		if _, err := StringToken(k.ClientID); err != nil {
			return fmt.Errorf("%w: :client-id %w", ErrBadBody, err)
		}
	}
	if k.Code == 0 {
		k.Code = KickCode
	}
	if k.Reason == "" {
		k.Reason = KickReason
	}
	switch {
	case named != 1:
		return bad("exactly one of :uid, :conn-id and :client-id must be there")
	case !GoodKickCode(k.Code):
		return bad(":code must be 1000, 1012, 1013, or 4000 to 4999")
	case len(k.Reason) > MaxKickReason || !utf8.ValidString(k.Reason):
		return bad(":reason must be text of at most 123 bytes")
	}
	return nil
}

// GoodKickCode reports whether a kick may close with that code.
func GoodKickCode(code int) bool {
	return code == 1000 || code == 1012 || code == 1013 || code >= 4000 && code <= 4999
}

// ParseKick reads the body of a request on hoshi.api.kick, a value of that format,
// and completes it. The error matches [ErrBadBody], and quotes nothing of the body.
func ParseKick(f codec.Format, body []byte) (Kick, error) {
	var k Kick
	r := &adminReader{format: f}
	code := adminField{":code", func(_ *adminReader, text []byte) error {
		n, err := strconv.ParseUint(string(text), 10, 16)
		if err != nil || n == 0 {
			return errNoNumber
		}
		k.Code = int(n)
		return nil
	}}
	err := r.read(body, []adminField{
		nameField(":uid", &k.UID),
		textField(":conn-id", id.TextLen, &k.ConnID),
		textField(":client-id", MaxToken, &k.ClientID),
		textField(":reason", MaxKickReason, &k.Reason),
		code,
	})
	if err == nil {
		err = k.Complete()
	}
	if err != nil {
		return Kick{}, err
	}
	return k, nil
}

// append writes the body of the request.
func (k *Kick) append(dst []byte) []byte {
	dst = append(dst, "{:code "...)
	dst = strconv.AppendInt(dst, int64(k.Code), 10)
	dst = append(dst, " :reason "...)
	dst = edn.AppendString(dst, k.Reason)
	switch {
	case k.ConnID != "":
		dst = append(dst, " :conn-id "...)
		dst = edn.AppendString(dst, k.ConnID)
	case k.ClientID != "":
		dst = append(dst, " :client-id "...)
		dst = edn.AppendString(dst, k.ClientID)
	default:
		dst = append(dst, " :uid "...)
		dst = append(dst, k.UID.text()...)
	}
	return append(dst, '}')
}
