package dialect

import (
	"bytes"
	"strconv"
)

// SenteLite is the sente-lite dialect in EDN.
type SenteLite struct{}

// A payload is the EDN map {:n "<mark>" :text "xx..."}: ordinary data to the
// server.
const (
	ednHead = `{:n "`
	ednMid  = `" :text "`
	ednTail = `"}`

	// MinEDN is the length in bytes of the smallest payload of AppendEDN.
	MinEDN = len(ednHead) + MarkLen + len(ednMid) + len(ednTail)
)

// AppendEDN appends a payload of size bytes, at least [MinEDN], as EDN.
func AppendEDN(dst []byte, mark [MarkLen]byte, size int) []byte {
	dst = append(append(append(dst, ednHead...), mark[:]...), ednMid...)
	dst = append(dst, bytes.Repeat([]byte{'x'}, size-MinEDN)...)
	return append(dst, ednTail...)
}

// Name is "sente-lite".
func (SenteLite) Name() string { return "sente-lite" }

// Query is empty: EDN is the default.
func (SenteLite) Query() string { return "" }

// MinSize is that of EDN.
func (SenteLite) MinSize() int { return MinEDN }

// AppendSubscribe appends [:sente-lite/subscribe {:channel-id "..."}].
func (SenteLite) AppendSubscribe(dst []byte, channel string) []byte {
	return append(append(append(dst, `[:sente-lite/subscribe {:channel-id "`...), channel...), `"}]`...)
}

// AppendPublish appends [:sente-lite/publish {:channel-id "..." :data ...}].
func (SenteLite) AppendPublish(dst []byte, channel string, mark [MarkLen]byte, size int) []byte {
	dst = append(append(append(dst, `[:sente-lite/publish {:channel-id "`...), channel...), `" :data `...)
	return append(AppendEDN(dst, mark, size), "}]"...)
}

// AppendPing appends [:chsk/ws-ping].
func (SenteLite) AppendPing(dst []byte) []byte { return append(dst, ednPing...) }

// AppendPong appends [:chsk/ws-pong].
func (SenteLite) AppendPong(dst []byte) []byte { return append(dst, "[:chsk/ws-pong]"...) }

var (
	ednPing       = []byte("[:chsk/ws-ping]")
	ednPong       = []byte("[:chsk/ws-pong")
	ednHandshake  = []byte("[:chsk/handshake ")
	ednSubscribed = []byte("[:sente-lite/subscribed ")
	ednSuccess    = []byte(":success true")
	ednDropped    = []byte("[:sente-lite/dropped ")
	ednCount      = []byte(":count ")
	ednError      = []byte("[:chsk/error")
	ednTimeout    = []byte("[:chsk/timeout")
)

// Read looks at the beginning of the text, and parses nothing.
func (SenteLite) Read(text []byte) Message {
	switch {
	case bytes.Equal(text, ednPing):
		return Message{Kind: Ping}
	case bytes.HasPrefix(text, ednPong):
		return Message{Kind: Pong}
	case bytes.HasPrefix(text, ednHandshake):
		return Message{Kind: Handshake}
	case bytes.HasPrefix(text, ednSubscribed):
		if bytes.Contains(text, ednSuccess) {
			return Message{Kind: Subscribed}
		}
		return Message{Kind: Refused}
	case bytes.HasPrefix(text, ednDropped):
		return Message{Kind: Dropped, Count: countIn(text)}
	case bytes.HasPrefix(text, ednError), bytes.HasPrefix(text, ednTimeout):
		return Message{Kind: Fault}
	}
	return Message{}
}

// countIn returns the number behind :count, 0 when there is none.
func countIn(text []byte) int64 {
	_, rest, _ := bytes.Cut(text, ednCount)
	end := 0
	for end < len(rest) && rest[end] >= '0' && rest[end] <= '9' {
		end++
	}
	n, err := strconv.ParseInt(string(rest[:end]), 10, 64)
	if err != nil {
		return 0
	}
	return n
}
