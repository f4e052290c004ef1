package client_test

import (
	"bytes"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/gobwas/ws"

	"github.com/hoshi-ws/hoshi/pkg/client"
)

func TestAppendFrame(t *testing.T) {
	lengths := []int{70_000, 1<<16 - 1, 1 << 16}
	for n := range 300 {
		lengths = append(lengths, n)
	}
	for _, n := range lengths {
		payload := make([]byte, n)
		for i := range payload {
			payload[i] = byte(rand.Uint32())
		}
		for _, op := range []ws.OpCode{ws.OpText, ws.OpPong, ws.OpClose} {
			if op != ws.OpText && n > 125 {
				continue
			}
			kept := bytes.Clone(payload)
			wire := client.AppendFrame([]byte("x"), op, payload)
			if wire[0] != 'x' || !bytes.Equal(payload, kept) {
				t.Fatalf("%d bytes: what was there before has changed", n)
			}
			got := parse(t, wire[1:])
			if len(got) != 1 || got[0].op != op || got[0].text != string(payload) {
				t.Fatalf("%d bytes with opcode %d do not come back", n, op)
			}
		}
	}
}

// TestMasksAreFresh: RFC 6455 5.3 wants a new key for each frame. With 2,000 of
// 32 random bits, one pair in 2,000 runs is equal by chance; a second is no chance.
func TestMasksAreFresh(t *testing.T) {
	keys := map[[4]byte]int{}
	for range 1000 {
		_, key, err := readFrame(bytes.NewReader(client.AppendFrame(nil, ws.OpText, nil)))
		if err != nil {
			t.Fatal(err)
		}
		keys[key]++
	}
	b := newSendBench(client.SendOptions{})
	fill(t, b.SendQueue, 0, 1000)
	b.Attach(b.tape)
	b.Stop(t.Context())
	r := bytes.NewReader(bytes.Join(b.tape.writes, nil))
	for range 1000 {
		_, key, err := readFrame(r)
		if err != nil {
			t.Fatal(err)
		}
		keys[key]++
	}
	if len(keys) < 1999 {
		t.Errorf("2,000 frames have %d masking keys", len(keys))
	}
}

func FuzzAppendFrame(f *testing.F) {
	f.Add([]byte("[:t/n 1]"))
	f.Add([]byte(strings.Repeat("x", 126)))
	f.Fuzz(func(t *testing.T, payload []byte) {
		wire := client.AppendFrame(nil, ws.OpText, payload)
		wire = client.AppendFrame(wire, ws.OpText, payload)
		got := parse(t, wire)
		if len(got) != 2 || got[0].text != string(payload) || got[1].text != string(payload) {
			t.Fatalf("%q does not come back: %q", payload, got)
		}
	})
}
