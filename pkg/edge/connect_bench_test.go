package edge_test

import (
	"fmt"
	"io"
	"net"
	"strconv"
	"testing"

	"github.com/hoshi-ws/hoshi/internal/testkit"
	"github.com/hoshi-ws/hoshi/pkg/bus"
	"github.com/hoshi-ws/hoshi/pkg/edge"
)

// BenchmarkConnect is a connection from its SYN to the handshake frame, and its end.
// With a uid each has one of its own, whose interest comes into force before the
// answer. B/op and allocs/op are of the whole process, with a NATS server and the
// client: some 1 KB and 20 allocations are the client's.
func BenchmarkConnect(b *testing.B) {
	for _, users := range []bool{false, true} {
		b.Run(fmt.Sprintf("uid=%v", users), func(b *testing.B) {
			node := testkit.StartNode(b, edge.Options{
				InsecureUIDParam: "uid",
				Bus:              bus.Options{URLs: []string{testkit.StartNATS(b, 1)[0].ClientURL()}},
			})
			addr := node.Addr().String()
			in := make([]byte, 4096)
			var head []byte
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				head = append(head[:0], "GET /"...)
				if users {
					head = strconv.AppendInt(append(head, "?uid=user-"...), int64(i), 10)
				}
				head = append(head, " HTTP/1.1\r\nHost: "...)
				head = append(head, addr...)
				head = append(head, "\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"+
					"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"...)
				c, err := net.Dial("tcp", addr)
				if err != nil {
					b.Fatal(err)
				}
				if _, err := c.Write(head); err != nil {
					b.Fatal(err)
				}
				// The 101 and the handshake leave in one write.
				if n, err := io.ReadAtLeast(c, in, 200); err != nil || string(in[9:12]) != "101" {
					b.Fatalf("read %q: %v", in[:n], err)
				}
				if err := c.Close(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
