package wsconn_test

import (
	"maps"
	"strings"
	"testing"

	"github.com/hoshi-ws/hoshi/internal/wsconn"
)

var (
	disconnect = wsconn.NewClass(wsconn.Disconnect, 0)
	dropOldest = wsconn.NewClass(wsconn.DropOldest, 0)
	dropNewest = wsconn.NewClass(wsconn.DropNewest, 0)
)

func latest(slot uint32) wsconn.Class { return wsconn.NewClass(wsconn.LatestOnly, slot) }

// classOf reads a class as the tables write it: d, o, n, or l and a slot's number.
func classOf(t *testing.T, s string) wsconn.Class {
	t.Helper()
	switch s[0] {
	case 'd':
		return disconnect
	case 'o':
		return dropOldest
	case 'n':
		return dropNewest
	case 'l':
		return latest(uint32(s[1]-'a') + 1)
	}
	t.Fatalf("no class %q", s)
	return 0
}

// TestPolicies pushes into a queue of four frames. A push is its class and then a number, such as o3, or lb3 for slot
// b; p before it makes it a part, as in po3. "answer3" is what opens a gate, "write" and "done" the begin and the end of a write that takes nothing, "half" one
// that takes a byte, "tell" a notice.
func TestPolicies(t *testing.T) {
	for _, tt := range []struct {
		name    string
		do      string
		queue   string
		last    wsconn.Result
		dropped map[string]uint64
	}{
		{
			name: "disconnect overflows", do: "d1 d2 d3 d4 d5",
			queue: "d1 d2 d3 d4", last: wsconn.Overflow,
		},
		{
			name: "drop-oldest", do: "o1 o2 o3 o4 o5 o6",
			queue: "o3 o4 o5 o6", dropped: map[string]uint64{"oldest": 2},
		},
		{
			name: "drop-newest", do: "n1 n2 n3 n4 n5 n6",
			queue: "n1 n2 n3 n4", last: wsconn.Dropped, dropped: map[string]uint64{"newest": 2},
		},
		{
			name: "latest-only, each slot once", do: "la1 lb1 la2 la3 lb2",
			queue: "la3 lb2", dropped: map[string]uint64{"superseded": 3},
		},
		{
			name: "latest-only, a change keeps the place", do: "o1 la1 o2 la2",
			queue: "o1 la2 o2", dropped: map[string]uint64{"superseded": 1},
		},
		{
			name: "latest-only, more slots than room", do: "la1 lb1 lc1 ld1 le1",
			queue: "lb1 lc1 ld1 le1", dropped: map[string]uint64{"oldest": 1},
		},
		{
			name: "latest-only fits a full queue that has its slot", do: "d1 d2 d3 la1 la2",
			queue: "d1 d2 d3 la2", dropped: map[string]uint64{"superseded": 1},
		},
		{
			name: "latest-only, none of it has room", do: "d1 d2 d3 d4 la1",
			queue: "d1 d2 d3 d4", last: wsconn.Dropped, dropped: map[string]uint64{"newest": 1},
		},
		{
			name: "disconnect takes the room of drop-oldest", do: "d1 o1 o2 d2 d3",
			queue: "d1 o2 d2 d3", dropped: map[string]uint64{"oldest": 1},
		},
		{
			name: "drop-oldest goes before latest-only", do: "la1 lb1 o1 o2 d1",
			queue: "la1 lb1 o2 d1", dropped: map[string]uint64{"oldest": 1},
		},
		{
			name: "latest-only goes when nothing else can", do: "la1 lb1 d1 d2 d3",
			queue: "lb1 d1 d2 d3", dropped: map[string]uint64{"oldest": 1},
		},
		{
			name: "disconnect takes the room of the newest drop-newest", do: "n1 d1 n2 n3 d2",
			queue: "n1 d1 n2 d2", dropped: map[string]uint64{"newest": 1},
		},
		{
			name: "drop-oldest does not take the room of drop-newest", do: "n1 n2 n3 n4 o1",
			queue: "n1 n2 n3 n4", last: wsconn.Dropped, dropped: map[string]uint64{"newest": 1},
		},
		{
			name: "drop-newest takes nobody's", do: "o1 o2 o3 o4 n1",
			queue: "o1 o2 o3 o4", last: wsconn.Dropped, dropped: map[string]uint64{"newest": 1},
		},
		{
			name: "what is being written stays", do: "o1 o2 write o3 o4 o5 o6 done",
			queue: "o1 o2 o5 o6", dropped: map[string]uint64{"oldest": 2},
		},
		{
			name: "all of it is being written", do: "o1 o2 o3 o4 write o5",
			queue: "o1 o2 o3 o4", last: wsconn.Dropped, dropped: map[string]uint64{"newest": 1},
		},
		{
			name: "what is half written stays", do: "o1 o2 o3 half o4 o5",
			queue: "o1 o3 o4 o5", dropped: map[string]uint64{"oldest": 1},
		},
		{
			name: "a slot that is being written gets a second frame", do: "la1 lb1 write la2 la3 lb2",
			queue: "la1 lb1 la3 lb2", dropped: map[string]uint64{"superseded": 1},
		},
		{
			name: "and has one again after a write in vain", do: "la1 lb1 write la2 la3 lb2 done la4",
			queue: "lb1 la4 lb2", dropped: map[string]uint64{"superseded": 3},
		},
		{
			name: "a slot that is half written gets a second frame", do: "la1 half la2 la3",
			queue: "la1 la3", dropped: map[string]uint64{"superseded": 1},
		},
		{
			name: "nothing comes before the answer it came behind", do: "la1 answer1 la2 la3",
			queue: "la1 d1 la3", dropped: map[string]uint64{"superseded": 1},
		},
		{
			name: "a notice comes first", do: "n1 n2 tell",
			queue: "tell n1 n2",
		},
		{
			name: "a notice comes behind what is half written", do: "n1 n2 half tell",
			queue: "n1 tell n2",
		},
		{
			name: "a notice comes alone", do: "tell",
			queue: "tell",
		},
		{
			name: "one notice at a time", do: "n1 half tell n2 tell",
			queue: "n1 tell n2",
		},
		{
			name: "not while one is half written", do: "n1 tell half tell",
			queue: "tell n1",
		},
		{
			name: "parts that wait are dropped as others", do: "po1 po2 po3 po4 po5 pd6",
			queue: "o3 o4 o5 d6", dropped: map[string]uint64{"oldest": 2},
		},
		{
			name: "parts have slots", do: "pla1 plb1 pla2 d1 plb2",
			queue: "la2 lb2 d1", dropped: map[string]uint64{"superseded": 2},
		},
		{
			name: "parts that are being written stay", do: "po1 pla1 write po3 pla2 pla3 po4 done",
			queue: "o1 la1 la3 o4", dropped: map[string]uint64{"oldest": 1, "superseded": 1},
		},
		{
			name: "parts are parts again after a write in vain", do: "po1 pla1 write pla2 done pla3 po2 po3",
			queue: "o1 la3 o2 o3", dropped: map[string]uint64{"superseded": 2},
		},
		{
			name: "what is joined and half written stays, for as many as it is", do: "po1 po2 po3 half po4 po5",
			queue: "[o1|o2|o3] o5", dropped: map[string]uint64{"oldest": 1},
		},
		{
			name: "a notice stays", do: "o1 o2 o3 o4 tell o5 o6",
			queue: "tell o4 o5 o6", dropped: map[string]uint64{"oldest": 3},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			q := wsconn.NewBoundedQueue(4, 1<<20)
			last := wsconn.OK
			for op := range strings.FieldsSeq(tt.do) {
				part, isPart := strings.CutPrefix(op, "p")
				switch number, answer := strings.CutPrefix(op, "answer"); {
				case isPart:
					last = q.Push(wsconn.NewPart(classOf(t, part), []byte(part)), nil)
				case answer:
					last = q.Answer(wsconn.NewText([]byte("d" + number)))
				case op == "write":
					q.BeginWrite()
				case op == "done":
					q.EndWrite(0)
				case op == "half":
					q.BeginWrite()
					q.EndWrite(1)
				case op == "tell":
					q.Tell(op, false)
				default:
					last = q.Push(wsconn.NewDelivery(classOf(t, op), []byte(op)), nil)
				}
			}
			if got := texts(q); got != tt.queue || last != tt.last {
				t.Errorf("queue %q, last push %v; want %q, %v", got, last, tt.queue, tt.last)
			}
			dropped, owed := q.Dropped()
			sum := 0
			for _, n := range tt.dropped {
				sum += int(n)
			}
			if !maps.Equal(dropped, tt.dropped) || owed != sum {
				t.Errorf("dropped %v, to be told %d; want %v", dropped, owed, tt.dropped)
			}
		})
	}
}

func texts(q *wsconn.Queue) string {
	all, _ := q.Frames()
	var s []string
	for _, f := range all {
		s = append(s, string(f.Payload()))
	}
	return strings.Join(s, " ")
}

func TestBytesMakeRoomToo(t *testing.T) {
	push := func(q *wsconn.Queue, c wsconn.Class, size int) wsconn.Result {
		return q.Push(wsconn.NewDelivery(c, make([]byte, size)), nil)
	}
	q := wsconn.NewBoundedQueue(100, 1000)
	for range 9 {
		push(q, dropOldest, 98) // 100 on the wire
	}
	if r := push(q, dropOldest, 496); r != wsconn.OK { // 500
		t.Errorf("four go for one: %v", r)
	}
	if n, size := q.Len(); n != 6 || size != 1000 {
		t.Errorf("%d frames of %d bytes", n, size)
	}
	if r := push(q, dropOldest, 2000); r != wsconn.OK { // one frame always fits an empty queue
		t.Errorf("too large for the queue: %v", r)
	}
	if n, _ := q.Len(); n != 1 {
		t.Errorf("%d frames", n)
	}
	q.Take()

	push(q, disconnect, 98)
	push(q, dropOldest, 98)
	if r := push(q, dropOldest, 2000); r != wsconn.Dropped {
		t.Errorf("too large for what can be made: %v", r)
	}
	if n, _ := q.Len(); n != 2 {
		t.Errorf("%d frames: room was made in vain", n)
	}
	q.Take()

	push(q, latest(1), 98)
	push(q, dropOldest, 98)
	push(q, disconnect, 498)
	if r := push(q, latest(1), 396); r != wsconn.OK { // 400: not in its old place, but without it and the other
		t.Errorf("a larger value: %v", r)
	}
	if n, size := q.Len(); n != 2 || size != 902 {
		t.Errorf("%d frames of %d bytes", n, size)
	}
	dropped, _ := q.Dropped()
	if want := map[string]uint64{"oldest": 4 + 6 + 1, "newest": 1, "superseded": 1}; !maps.Equal(dropped, want) {
		t.Errorf("dropped %v, want %v", dropped, want)
	}
}

func TestDroppingDoesNotAllocate(t *testing.T) {
	for _, tt := range []struct {
		name  string
		class func(i int) wsconn.Class
		half  bool
	}{
		{name: "drop-oldest", class: func(int) wsconn.Class { return dropOldest }},
		{name: "drop-oldest, half written", class: func(int) wsconn.Class { return dropOldest }, half: true},
		{name: "drop-newest", class: func(int) wsconn.Class { return dropNewest }},
		{name: "latest-only", class: func(i int) wsconn.Class { return latest(uint32(i%100 + 1)) }},
	} {
		q := wsconn.NewQueue()
		var frames []*wsconn.Frame
		for i := range 1000 {
			frames = append(frames, wsconn.NewDelivery(tt.class(i), make([]byte, 128)))
			q.Push(frames[i], nil)
		}
		if tt.half {
			q.BeginWrite()
			q.EndWrite(1)
		}
		i := 0
		if n := testing.AllocsPerRun(2000, func() { q.Push(frames[i%1000], nil); i++ }); n > 0 && !raceEnabled {
			t.Errorf("%s: %v allocations", tt.name, n)
		}
	}
}
