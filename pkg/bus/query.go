package bus

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/hoshi-ws/hoshi/internal/id"
	"github.com/hoshi-ws/hoshi/pkg/codec"
	"github.com/hoshi-ws/hoshi/pkg/codec/edn"
)

// Target names whom a question is about: exactly one of its fields is set.
type Target struct {
	UID              Name
	ConnID, ClientID string
	Channel          Name // of a trace alone
}

// check reports what is wrong with it. The error matches ErrBadBody.
func (t *Target) check(channels bool) error {
	named := 0
	name := func(key string, n Name) error {
		if n == (Name{}) {
			return nil
		}
		named++
		if _, err := n.Token(); err != nil {
			return fmt.Errorf("%w: %s %w", ErrBadBody, key, err)
		}
		return nil
	}
	if err := errors.Join(name(":uid", t.UID), name(":channel-id", t.Channel)); err != nil {
		return err
	}
	if t.ConnID != "" {
		named++
		if _, ok := id.ParseConn(t.ConnID); !ok {
			return fmt.Errorf("%w: :conn-id is none", ErrBadBody)
		}
	}
	if t.ClientID != "" {
		named++
		if _, err := StringToken(t.ClientID); err != nil {
			return fmt.Errorf("%w: :client-id %w", ErrBadBody, err)
		}
	}
	switch {
	case !channels && t.Channel != (Name{}):
		return fmt.Errorf("%w: :channel-id is for a trace", ErrBadBody)
	case named != 1 && channels:
		return fmt.Errorf("%w: exactly one of :uid, :conn-id, :client-id and :channel-id must be there", ErrBadBody)
	case named != 1:
		return fmt.Errorf("%w: exactly one of :uid, :conn-id and :client-id must be there", ErrBadBody)
	}
	return nil
}

func (t *Target) fields() []adminField {
	return []adminField{
		nameField(":uid", &t.UID),
		textField(":conn-id", id.TextLen, &t.ConnID),
		textField(":client-id", MaxToken, &t.ClientID),
		nameField(":channel-id", &t.Channel),
	}
}

func (t *Target) append(dst []byte) []byte {
	switch {
	case t.ConnID != "":
		return edn.AppendString(append(dst, ":conn-id "...), t.ConnID)
	case t.ClientID != "":
		return edn.AppendString(append(dst, ":client-id "...), t.ClientID)
	case t.Channel != (Name{}):
		return append(append(dst, ":channel-id "...), t.Channel.text()...)
	}
	return append(append(dst, ":uid "...), t.UID.text()...)
}

// StatsQuery asks nodes how they are.
type StatsQuery struct {
	// Slow is how many connections each is to name whose clients take nothing: 0, the
	// default, to [MaxSlow].
	Slow int
}

// MaxSlow bounds StatsQuery.Slow.
const MaxSlow = 50

// WhoQuery asks nodes for connections.
type WhoQuery struct {
	Target

	// Limit is how many connections each node is to describe: 100 by default, at most
	// [MaxWho].
	Limit int
}

// Bounds of WhoQuery.Limit.
const (
	DefaultWho = 100
	MaxWho     = 1000
)

// ChannelsQuery asks nodes for their channels.
type ChannelsQuery struct {
	// Match is a pattern in which * stands for any run of characters, matched with a
	// string's own text, or the EDN text of any other channel. Empty is all.
	Match string
	// Limit is how many channels each node is to name: 1,000 by default, at most
	// [MaxChannels].
	Limit int
}

// Bounds of ChannelsQuery.
const (
	DefaultChannels = 1000
	MaxChannels     = 10_000
	maxMatch        = 1024
)

// TraceQuery asks nodes to tell what passes.
type TraceQuery struct {
	Target

	// Time is how long: [DefaultTraceTime] unless it is given, at most [MaxTraceTime].
	Time time.Duration
	// Rate is how many lines a second each node may tell, and how many at once:
	// [DefaultTraceRate] unless it is given, at most [MaxTraceRate]. Others are counted.
	Rate int
}

// Bounds of TraceQuery.
const (
	DefaultTraceTime = time.Minute
	MaxTraceTime     = time.Hour
	DefaultTraceRate = 100
	MaxTraceRate     = 1000
)

// LevelQuery asks nodes to log at another level.
type LevelQuery struct {
	Level string
	For   time.Duration // 1 ms to [MaxLevelTime]; 0 is for good, which is for one node alone
}

var errRange = errors.New("is out of range")

// numberField reads a whole number between bounds.
func numberField(key string, low, high int, into *int) adminField {
	return adminField{key, func(_ *adminReader, text []byte) error {
		n, err := strconv.Atoi(string(text))
		switch {
		case err != nil:
			return errNoNumber
		case n < low || n > high:
			return errRange
		}
		*into = n
		return nil
	}}
}

// durationField reads whole milliseconds between bounds.
func durationField(key string, low, high time.Duration, into *time.Duration) adminField {
	ms := 0
	f := numberField(key, int(low/time.Millisecond), int(high/time.Millisecond), &ms)
	return adminField{key, func(r *adminReader, text []byte) error {
		err := f.read(r, text)
		*into = time.Duration(ms) * time.Millisecond
		return err
	}}
}

// readQuery reads the body of a request: a map in EDN or JSON, which are told apart by
// its first key, or nothing. The error matches ErrBadBody, and quotes nothing.
func readQuery(contentType string, body []byte, fields []adminField) error {
	trimmed := bytes.TrimSpace(body)
	if len(trimmed) == 0 {
		return nil
	}
	f, ok := formatOf(contentType, false, nil)
	if !ok {
		return fmt.Errorf("%w: unknown content type", ErrBadBody)
	}
	// A key of EDN is a keyword: there is nothing that both could mean.
	if rest, is := bytes.CutPrefix(trimmed, []byte("{")); contentType == "" && is && bytes.HasPrefix(bytes.TrimSpace(rest), []byte(`"`)) {
		f = codec.JSON
	}
	if f == codec.EDN && !utf8.Valid(body) {
		return fmt.Errorf("%w: not UTF-8", ErrBadBody)
	}
	return (&adminReader{format: f}).read(trimmed, fields)
}

func (q *StatsQuery) complete() error {
	if q.Slow < 0 || q.Slow > MaxSlow {
		return fmt.Errorf("%w: :slow %w", ErrBadBody, errRange)
	}
	return nil
}

func (q *StatsQuery) fields() []adminField {
	return []adminField{numberField(":slow", 0, MaxSlow, &q.Slow)}
}

func (q *StatsQuery) append(dst []byte) []byte {
	return append(strconv.AppendInt(append(dst, "{:slow "...), int64(q.Slow), 10), '}')
}

func (q *WhoQuery) complete() error {
	if q.Limit == 0 {
		q.Limit = DefaultWho
	}
	if q.Limit < 1 || q.Limit > MaxWho {
		return fmt.Errorf("%w: :limit %w", ErrBadBody, errRange)
	}
	return q.check(false)
}

func (q *WhoQuery) fields() []adminField {
	return append(q.Target.fields(), numberField(":limit", 1, MaxWho, &q.Limit))
}

func (q *WhoQuery) append(dst []byte) []byte {
	dst = append(q.Target.append(append(dst, '{')), " :limit "...)
	return append(strconv.AppendInt(dst, int64(q.Limit), 10), '}')
}

func (q *ChannelsQuery) complete() error {
	if q.Limit == 0 {
		q.Limit = DefaultChannels
	}
	if q.Limit < 1 || q.Limit > MaxChannels {
		return fmt.Errorf("%w: :limit %w", ErrBadBody, errRange)
	}
	if len(q.Match) > maxMatch || !utf8.ValidString(q.Match) {
		return fmt.Errorf("%w: :match must be text of at most %d bytes", ErrBadBody, maxMatch)
	}
	return nil
}

func (q *ChannelsQuery) fields() []adminField {
	return []adminField{textField(":match", maxMatch, &q.Match), numberField(":limit", 1, MaxChannels, &q.Limit)}
}

func (q *ChannelsQuery) append(dst []byte) []byte {
	dst = strconv.AppendInt(append(dst, "{:limit "...), int64(q.Limit), 10)
	if q.Match != "" {
		dst = edn.AppendString(append(dst, " :match "...), q.Match)
	}
	return append(dst, '}')
}

func (q *TraceQuery) complete() error {
	if q.Time == 0 {
		q.Time = DefaultTraceTime
	}
	if q.Rate == 0 {
		q.Rate = DefaultTraceRate
	}
	switch {
	case q.Time < time.Millisecond || q.Time > MaxTraceTime:
		return fmt.Errorf("%w: :time %w", ErrBadBody, errRange)
	case q.Rate < 1 || q.Rate > MaxTraceRate:
		return fmt.Errorf("%w: :rate %w", ErrBadBody, errRange)
	}
	return q.check(true)
}

func (q *TraceQuery) fields() []adminField {
	return append(q.Target.fields(),
		durationField(":time", time.Millisecond, MaxTraceTime, &q.Time),
		numberField(":rate", 1, MaxTraceRate, &q.Rate))
}

func (q *TraceQuery) append(dst []byte) []byte {
	dst = append(q.Target.append(append(dst, '{')), " :time "...)
	dst = append(strconv.AppendInt(dst, q.Time.Milliseconds(), 10), " :rate "...)
	return append(strconv.AppendInt(dst, int64(q.Rate), 10), '}')
}

// maxLevel bounds the name of a level, and MaxLevelTime how long one may count.
const (
	maxLevel     = 16
	MaxLevelTime = 24 * time.Hour
)

func (q *LevelQuery) complete() error {
	switch q.Level {
	case "debug", "info", "warn", "error":
	case "":
		return fmt.Errorf("%w: :level must be there", ErrBadBody)
	default:
		return fmt.Errorf("%w: :level must be debug, info, warn or error", ErrBadBody)
	}
	if q.For != 0 && (q.For < time.Millisecond || q.For > MaxLevelTime) {
		return fmt.Errorf("%w: :for %w", ErrBadBody, errRange)
	}
	return nil
}

// completeFor is complete of what one node is asked, or all: one word must not have a
// cluster write every line for good.
func (q *LevelQuery) completeFor(all bool) error {
	err := q.complete()
	if err == nil && all && q.For == 0 {
		err = fmt.Errorf("%w: :for must be there for all nodes, one alone may be set for good", ErrBadBody)
	}
	return err
}

func (q *LevelQuery) fields() []adminField {
	return []adminField{textField(":level", maxLevel, &q.Level), durationField(":for", time.Millisecond, MaxLevelTime, &q.For)}
}

func (q *LevelQuery) append(dst []byte) []byte {
	dst = edn.AppendString(append(dst, "{:level "...), q.Level)
	if q.For > 0 {
		dst = strconv.AppendInt(append(dst, " :for "...), q.For.Milliseconds(), 10)
	}
	return append(dst, '}')
}
