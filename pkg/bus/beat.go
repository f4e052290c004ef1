package bus

import (
	"strings"

	"github.com/hoshi-ws/hoshi/pkg/codec/edn"
)

// A beat says which node is connected to which NATS server. It is the body of
// heartbeats on <prefix>.nodes, of their answers, and of a barrier's questions:
//
//	{:node "0192f3a4c7ee" :server "NDJ3..."}
//
// A client that is no node says only that it asks: {}.
type beat struct{ node, server string }

// Bounds of what is believed of a beat.
const (
	maxBeat     = 1024 // bytes
	maxServerID = 64
	maxPeers    = 1024 // servers: a cluster has a handful
)

func (b beat) append(dst []byte) []byte {
	if b.server == "" {
		return append(dst, "{}"...)
	}
	dst = append(dst, `{:node "`...)
	dst = append(dst, b.node...)
	dst = append(dst, `" :server "`...)
	dst = append(dst, b.server...)
	return append(dst, `"}`...)
}

// parseBeat reads a beat; keys that it does not know are passed over. A server
// id becomes part of a subject, so nothing but letters and digits is taken.
func parseBeat(p []byte) (beat, bool) {
	if len(p) > maxBeat || len(p) < 2 || p[0] != '{' || edn.Check(p) != nil {
		return beat{}, false
	}
	s := string(p)
	b := beat{node: beatField(s, `:node "`), server: beatField(s, `:server "`)}
	return b, (b.node == "") == (b.server == "")
}

func beatField(s, key string) string {
	i := strings.Index(s, key)
	if i < 0 {
		return ""
	}
	s = s[i+len(key):]
	i = strings.IndexByte(s, '"')
	if i < 0 || i > maxServerID {
		return ""
	}
	for j := range i {
		c := s[j]
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') {
			return ""
		}
	}
	return s[:i]
}
