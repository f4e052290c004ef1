package edge_test

import (
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/hoshi-ws/hoshi/internal/testkit"
	"github.com/hoshi-ws/hoshi/pkg/bus"
	"github.com/hoshi-ws/hoshi/pkg/codec"
	"github.com/hoshi-ws/hoshi/pkg/edge"
)

// A client-id may be any text: it is one token, and nobody else's.
func TestOddClientIDs(t *testing.T) {
	t.Parallel()
	c := senteNode(t, 2, nil)
	backend := c.Backend(t, 1)
	bystander := c.Dial(t, 0, "/chsk?uid=alice&client-id=tab")
	for _, id := range []string{
		"tab.1", "*", ">", "tab.*", "tab.>", "%", "%41", ":tab", "~1", `"tab"`, "tab 1", " tab", "täb", "\x00", "\r\nPUB x 0\r\n\r\n", "💥",
		strings.Repeat("x", 255), strings.Repeat("*", 85), "../tab", "tab/1", `\`, "a=b&c",
	} {
		cl := c.Dial(t, 0, "/chsk?uid=alice&client-id="+url.QueryEscape(id))
		must(t, backend.PublishClient(id, []byte("[:a/b 1]")))
		cl.Expect("[[[:a/b 1]] nil]")
		again := c.Dial(t, 1, "/chsk?uid=alice&client-id="+url.QueryEscape(id))
		cl.ExpectClose(1000)
		must(t, backend.PublishClient(id, []byte("[:a/b 2]")))
		again.Expect("[[[:a/b 2]] nil]")
		again.Conn.Close()
	}
	bystander.Nothing()
}

// Whatever comes as a message between nodes, a node goes on.
func FuzzTabMessage(f *testing.F) {
	for _, tab := range []string{
		"locate alice", "here alice", "take alice", "quiet 0", "quiet 9", "give alice", "part 5", "part -1", "part 99999999999999999999",
		"end 3", "end -1", "poll alice", "handshake alice", "say alice", "poll alice e30", "say alice e30",
		"say alice eyJjIjpbWyJhIl1dfQ", "say alice W10", "say alice %", "cancel", "answer 200", "answer 7", "answer 99999", "answer", "", " ",
	} {
		for _, body := range []string{"", "[:a/b 1]", "[[:a/b] nil]", "[:chsk/close]", "[:a/b", "\xff"} {
			for who := range uint8(4) {
				f.Add(tab, body, who, who%2 == 0)
			}
		}
	}
	node := testkit.StartNode(f, edge.Options{
		InsecureUIDParam: "uid", Bus: bus.Options{URLs: []string{testkit.StartNATS(f, 1)[0].ClientURL()}},
		Sente: edge.SenteOptions{ReconnectWS: time.Second},
	})
	const path = "/chsk?uid=alice&client-id=tab-1"
	f.Fuzz(func(t *testing.T, tab, body string, who uint8, client bool) {
		if tab == "" {
			return // an ordinary push
		}
		cl := testkit.Dial(t, node.Addr().String(), path)
		ids := []string{cl.ConnID, "", "conn-0192f3a4-7c1e-7abc-8def-5b1e6f00a2c4", "conn-0192f3a4-7c1e-7abc-8def-" + node.ID().String()}
		m := &bus.Message{
			Kind: bus.KindConn, Token: ids[who%4], From: ids[who/4%4], Tab: tab, Body: []byte(body), Format: codec.EDN, ReplyTo: "nobody.listens",
		}
		if client {
			m.Kind, m.Token = bus.KindClient, "tab-1"
		}
		edge.Deliver(node, m)
		// It may have cost this socket, as between nodes; never the next one.
		next := testkit.Dial(t, node.Addr().String(), path)
		next.Send(`[[:chsk/ws-ping] "p"]`)
		for {
			if got := next.Read(); got == `["pong" "p"]` {
				return
			}
		}
	})
}
