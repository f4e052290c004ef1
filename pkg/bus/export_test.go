package bus

import (
	"github.com/nats-io/nats.go"

	"github.com/hoshi-ws/hoshi/pkg/codec"
)

// ParseMessage makes the inbound parse reachable for the fuzzer.
func ParseMessage(m *nats.Msg, msg *Message, sc *codec.Scanner) bool {
	_, ok := parseMessage(msg, DefaultPrefix, m, sc)
	return ok
}

// ParseBeat makes the parse of heartbeats reachable for the fuzzer.
func ParseBeat(p []byte) (node, server string, ok bool) {
	b, ok := parseBeat(p)
	return b.node, b.server, ok
}

// AppendBeat writes a heartbeat.
func AppendBeat(node, server string) []byte { return beat{node, server}.append(nil) }

// ReadEvents reads events one after another with one reader, as a worker of Take does.
func ReadEvents(contentType string, bodies ...[]byte) ([]*Event, error) {
	var r eventReader
	var events []*Event
	for _, body := range bodies {
		e := new(Event)
		if err := r.read(e, contentType, body); err != nil {
			return nil, err
		}
		events = append(events, e)
	}
	return events, nil
}

// AppendRevocation writes what a client sends.
func AppendRevocation(r *Revocation) []byte { return r.append(nil) }

// AppendKick writes what a client sends.
func AppendKick(k *Kick) []byte { return k.append(nil) }
