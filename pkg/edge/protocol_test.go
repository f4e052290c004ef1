package edge_test

import (
	"errors"
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"

	"github.com/hoshi-ws/hoshi/internal/testkit"
	"github.com/hoshi-ws/hoshi/pkg/edge"
)

// TestProtocolDocument plays every frame of the published protocols against a
// node: each fenced block of frames is one conversation, on fresh connections.
func TestProtocolDocument(t *testing.T) {
	t.Parallel()
	for name, least := range map[string]int{"sente-lite": 8, "sente": 12} {
		t.Run(name, func(t *testing.T) { playDocument(t, "../../docs/protocol-"+name+".md", least) })
	}
}

func playDocument(t *testing.T, file string, least int) {
	t.Helper()
	blocks := frameBlocks(t, file)
	if len(blocks) < least {
		t.Fatalf("%s has %d blocks of frames", file, len(blocks))
	}
	cluster := testkit.StartCluster(t, 1, func(_ int, o *edge.Options) { o.Version = "1.0.0" })
	for _, b := range blocks {
		t.Run(fmt.Sprintf("line %d", b.line), func(t *testing.T) {
			p := &player{
				t: t, cluster: cluster, names: map[string]string{},
				clients: map[string]*testkit.Client{}, sente: map[string]*sentePeer{},
			}
			p.takeEvents(b.lines)
			// A tab outlives its socket for a while, so each block has its own.
			own := strings.NewReplacer("client-id=tab-", fmt.Sprint("client-id=tab-", b.line, "-"), "hoshi.client.tab-", fmt.Sprint("hoshi.client.tab-", b.line, "-"))
			for i, line := range b.lines {
				p.play(b.line+1+i, own.Replace(line))
			}
			for _, c := range p.clients {
				if c != nil {
					c.Nothing()
				}
			}
			for name, c := range p.sente {
				p.nothing(name, c)
			}
		})
	}
}

// frameBlock is one fenced block of a document.
type frameBlock struct {
	line  int // of the fence
	lines []string
}

func frameBlocks(t *testing.T, file string) (blocks []frameBlock) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var open *frameBlock
	for i, line := range strings.Split(string(text), "\n") {
		switch {
		case line == "```frames":
			open = &frameBlock{line: i + 1}
		case line == "```" && open != nil:
			blocks = append(blocks, *open)
			open = nil
		case open != nil:
			open.lines = append(open.lines, line)
		}
	}
	return blocks
}

// player plays one conversation.
type player struct {
	t       *testing.T
	cluster *testkit.Cluster
	clients map[string]*testkit.Client // of sente-lite
	sente   map[string]*sentePeer
	names   map[string]string // conn-ids of the document -> of this run
	nc      *nats.Conn
	events  map[string]*nats.Subscription
	last    *nats.Msg
	answers *nats.Subscription // to what was asked last
}

var documentedConn = regexp.MustCompile(`conn-[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`)

// takeEvents subscribes what the conversation takes as a backend, before it
// begins.
func (p *player) takeEvents(lines []string) {
	nc, err := nats.Connect(p.cluster.NATS[0].ClientURL())
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(nc.Close)
	p.nc, p.events = nc, map[string]*nats.Subscription{}
	for _, line := range lines {
		subject, _, ok := strings.Cut(strings.TrimPrefix(line, "nats< "), " ")
		if !strings.HasPrefix(line, "nats< ") || !ok || p.events[subject] != nil {
			continue
		}
		if p.events[subject], err = nc.SubscribeSync(subject); err != nil {
			p.t.Fatal(err)
		}
	}
	if err := nc.Flush(); err != nil {
		p.t.Fatal(err)
	}
}

func (p *player) play(number int, line string) {
	p.t.Helper()
	who, text, ok := strings.Cut(line, " ")
	if !ok || len(who) < 2 {
		p.t.Fatalf("line %d: %q is no frame", number, line)
	}
	name, direction := who[:len(who)-1], who[len(who)-1]
	switch {
	case who == "nats>":
		subject, body, _ := strings.Cut(text, " ")
		if err := p.nc.Publish(subject, []byte(body)); err != nil {
			p.t.Fatalf("line %d: %v", number, err)
		}
	case who == "nats<":
		subject, body, _ := strings.Cut(text, " ")
		m, err := p.events[subject].NextMsg(testkit.Patience)
		if err != nil || string(m.Data) != body {
			p.t.Fatalf("line %d: took %v, %v, want %s", number, m, err, body)
		}
		p.last = m
	case who == "reply>":
		if err := p.last.Respond([]byte(text)); err != nil {
			p.t.Fatalf("line %d: %v", number, err)
		}
	case who == "ask>":
		p.ask(text)
	case who == "answer<":
		if got := p.answer(); got != text {
			p.t.Fatalf("line %d: answered with %s, want %s", number, got, text)
		}
	case p.playSente(number, name, direction, text):
	case direction == '>' && strings.HasPrefix(text, "GET "):
		p.clients[name] = testkit.Dial(p.t, p.cluster.Nodes[0].Addr().String(), strings.TrimPrefix(text, "GET "))
	case direction == '>':
		p.clients[name].Send(text)
	case direction == '<' && (strings.HasPrefix(text, "[:chsk/handshake ") || strings.HasPrefix(text, `["chsk/handshake",`)):
		p.handshake(number, p.clients[name], text)
	case direction == '<' && strings.HasPrefix(text, "close "):
		p.closed(number, p.clients[name], strings.TrimPrefix(text, "close "))
		p.clients[name] = nil
	case direction == '<':
		want := documentedConn.ReplaceAllStringFunc(text, func(s string) string { return p.names[s] })
		if got := p.clients[name].Read(); got != want {
			p.t.Fatalf("line %d: %s reads\n  %s\nwant\n  %s", number, name, got, want)
		}
	default:
		p.t.Fatalf("line %d: %q is no frame", number, line)
	}
}

// handshake compares what the dial has read, and learns the conn-id that the
// document has another for.
func (p *player) handshake(number int, c *testkit.Client, text string) {
	p.t.Helper()
	documented := documentedConn.FindString(text)
	p.names[documented] = c.ConnID
	want := strings.ReplaceAll(text, documented, c.ConnID)
	if c.Handshake != want {
		p.t.Fatalf("line %d: the handshake is\n  %s\nwant\n  %s", number, c.Handshake, want)
	}
}

func (p *player) closed(number int, c *testkit.Client, code string) {
	p.t.Helper()
	want, err := strconv.Atoi(code)
	if err != nil {
		p.t.Fatalf("line %d: %v", number, err)
	}
	_, err = c.TryRead(testkit.Patience)
	if closed, ok := errors.AsType[*testkit.Closed](err); !ok || closed.Code != want {
		p.t.Fatalf("line %d: ended with %v, want close %d", number, err, want)
	}
}
