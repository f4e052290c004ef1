package proxyproto

import (
	"bytes"
	"encoding/binary"
	"net/netip"
)

// Bounds of a header, in bytes. Version 1 is at most as long as the specification has it; of version 2, which could be
// 64 KiB, as much is taken as addresses and what is sent behind them need.
const (
	MaxV1 = 107     // CRLF included
	MaxV2 = 4 << 10 // what follows the first 16 bytes: addresses, and extensions, which are passed over
)

// Reason says what is wrong with a header. It is a small set, fit for a metric label.
type Reason uint8

// The reasons for which Parse refuses.
const (
	Missing   Reason = iota + 1 // what comes is no header
	Malformed                   // it begins as one, and is none
	TooLong                     // longer than MaxV1 or MaxV2
	reasons                     // keep last
)

var reasonNames = [reasons]string{"", "missing", "malformed", "too-long"}

// String returns a short name, for logs and metrics.
func (r Reason) String() string {
	if r < reasons {
		return reasonNames[r]
	}
	return "unknown"
}

// Error is a header that is none.
type Error struct{ Reason Reason }

// Error implements error.
func (e *Error) Error() string { return "proxyproto: header is " + e.Reason.String() }

var (
	errMissing   = &Error{Missing}
	errMalformed = &Error{Malformed}
	errTooLong   = &Error{TooLong}
)

// Header is what a proxy says of a connection.
type Header struct {
	// Source is who has connected to the proxy, an IPv4 address as such. It is not valid where the proxy speaks for
	// itself, or knows no address: then the connection's own counts.
	Source netip.AddrPort
}

const (
	signature1 = "PROXY "
	signature2 = "\r\n\r\n\x00\r\nQUIT\n"
	fixed2     = len(signature2) + 4
)

// Parse reads a header at the beginning of p. n is its length, or 0 when it has not all come; then it is to be asked
// again with more, at most 16 bytes and MaxV2 in all. The error is final. Any goroutine.
func Parse(p []byte) (h Header, n int, err *Error) {
	switch {
	case begins(p, signature2):
		return parse2(p)
	case begins(p, signature1):
		return parse1(p)
	}
	return h, 0, errMissing
}

// begins reports whether p begins as sign does, as far as p goes.
func begins(p []byte, sign string) bool {
	if len(p) > len(sign) {
		p = p[:len(sign)]
	}
	return string(p) == sign[:len(p)]
}

func parse1(p []byte) (h Header, n int, err *Error) {
	end := bytes.Index(p[:min(len(p), MaxV1)], []byte("\r\n"))
	switch {
	case end >= 0:
	case len(p) >= MaxV1:
		return h, 0, errTooLong
	default:
		return h, 0, nil
	}
	n = end + 2
	family, rest, more := bytes.Cut(p[len(signature1):end], []byte(" "))
	switch string(family) {
	case "UNKNOWN": // what follows is to be ignored
		return h, n, nil
	case "TCP4", "TCP6":
	default:
		return h, 0, errMalformed
	}
	var fields [4][]byte // source, destination, and their ports
	for i := range fields {
		if !more {
			return h, 0, errMalformed
		}
		fields[i], rest, more = bytes.Cut(rest, []byte(" "))
	}
	if more {
		return h, 0, errMalformed
	}
	is4 := family[3] == '4'
	source, ok1 := parseAddr(fields[0], is4)
	_, ok2 := parseAddr(fields[1], is4)
	port, ok3 := parsePort(fields[2])
	_, ok4 := parsePort(fields[3])
	if !ok1 || !ok2 || !ok3 || !ok4 {
		return h, 0, errMalformed
	}
	h.Source = netip.AddrPortFrom(source.Unmap(), port)
	return h, n, nil
}

// longest is the longest text of an IPv6 address, an IPv4 one at its end.
const longest = len("ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255")

func parseAddr(text []byte, is4 bool) (a netip.Addr, ok bool) {
	if len(text) > longest || bytes.IndexByte(text, '%') >= 0 {
		return a, false
	}
	if is4 {
		return parse4(text)
	}
	return parse6(text)
}

// parse4 reads four decimal numbers. netip.ParseAddr would do, but takes a string, and so memory.
func parse4(text []byte) (a netip.Addr, ok bool) {
	var out [4]byte
	for i := range out {
		part := text
		if i < 3 {
			end := bytes.IndexByte(text, '.')
			if end < 0 {
				return a, false
			}
			part, text = text[:end], text[end+1:]
		}
		v, ok := decimal(part, 255)
		if !ok {
			return a, false
		}
		out[i] = byte(v)
	}
	return netip.AddrFrom4(out), true
}

// parse6 reads RFC 4291 section 2.2: groups in hexadecimal, "::" once for those that are 0, an IPv4 address as the last
// two.
func parse6(text []byte) (a netip.Addr, ok bool) {
	var out [16]byte
	at, gap := 0, -1
	if bytes.HasPrefix(text, []byte("::")) {
		gap, text = 0, text[2:]
	}
	for len(text) > 0 {
		if at == 16 {
			return a, false
		}
		part := text
		end := bytes.IndexByte(text, ':')
		if end >= 0 {
			part = text[:end]
		}
		if end < 0 && bytes.IndexByte(part, '.') >= 0 {
			v4, ok := parse4(part)
			if !ok || at > 12 {
				return a, false
			}
			b := v4.As4()
			at += copy(out[at:], b[:])
			break
		}
		v, ok := hexadecimal(part)
		if !ok {
			return a, false
		}
		binary.BigEndian.PutUint16(out[at:], v)
		if at += 2; end < 0 {
			break
		}
		if text = text[end+1:]; len(text) == 0 {
			return a, false
		}
		if text[0] == ':' {
			if gap >= 0 {
				return a, false
			}
			gap, text = at, text[1:]
		}
	}
	switch {
	case gap < 0 && at < 16, gap >= 0 && at == 16:
		return a, false
	case gap >= 0:
		moved := copy(out[16-(at-gap):], out[gap:at])
		clear(out[gap : 16-moved])
	}
	return netip.AddrFrom16(out), true
}

func hexadecimal(text []byte) (v uint16, ok bool) {
	for _, c := range text {
		var d byte
		switch {
		case c >= '0' && c <= '9':
			d = c - '0'
		case c|0x20 >= 'a' && c|0x20 <= 'f':
			d = c | 0x20 - 'a' + 10
		default:
			return 0, false
		}
		v = v<<4 | uint16(d)
	}
	return v, len(text) > 0 && len(text) <= 4
}

func parsePort(text []byte) (uint16, bool) {
	v, ok := decimal(text, 1<<16-1)
	return uint16(v), ok
}

// decimal reads a number of at most five digits without leading zeros.
func decimal(text []byte, most int) (v int, ok bool) {
	if len(text) == 0 || len(text) > 5 || text[0] == '0' && len(text) > 1 {
		return 0, false
	}
	for _, c := range text {
		if c < '0' || c > '9' {
			return 0, false
		}
		v = v*10 + int(c-'0')
	}
	return v, v <= most
}

// Version 2, section 2.2 of the specification: the byte behind the signature has the version and the command, the next
// one family and transport, and two are the length of what follows.
const (
	local = 0x20
	proxy = 0x21

	unspec  = 0x00
	stream4 = 0x11
	stream6 = 0x21
)

func parse2(p []byte) (h Header, n int, err *Error) {
	if at := len(signature2); len(p) > at && p[at] != local && p[at] != proxy {
		return h, 0, errMalformed
	}
	if len(p) < fixed2 {
		return h, 0, nil
	}
	command, family := p[12], p[13]
	length := int(binary.BigEndian.Uint16(p[14:]))
	if length > MaxV2 {
		return h, 0, errTooLong
	}
	least := 0
	switch {
	case command == local || family == unspec: // the addresses, if there are any, are to be ignored
	case family == stream4:
		least = 12
	case family == stream6:
		least = 36
	default: // datagrams and the like are not what this connection is
		return h, 0, errMalformed
	}
	if length < least {
		return h, 0, errMalformed
	}
	n = fixed2 + length
	if len(p) < n {
		return h, 0, nil
	}
	addrs := p[fixed2:n]
	switch least {
	case 12:
		h.Source = netip.AddrPortFrom(netip.AddrFrom4([4]byte(addrs)), binary.BigEndian.Uint16(addrs[8:]))
	case 36:
		h.Source = netip.AddrPortFrom(netip.AddrFrom16([16]byte(addrs)).Unmap(), binary.BigEndian.Uint16(addrs[32:]))
	}
	return h, n, nil
}
