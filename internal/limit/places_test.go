package limit_test

import (
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/hoshi-ws/hoshi/internal/limit"
)

func addr(s string) netip.Addr { return netip.MustParseAddr(s) }

func TestOpen(t *testing.T) {
	p := limit.NewPlaces(limit.PlaceLimits{Conns: 2})
	a, b := addr("192.0.2.1"), addr("192.0.2.2")
	first, v := p.Open(a, 0)
	if v != limit.OK || first == 0 {
		t.Fatalf("first: %v, %d", v, first)
	}
	if _, v = p.Open(a, 0); v != limit.OK {
		t.Fatalf("second: %v", v)
	}
	if none, v := p.Open(a, 0); v != limit.TooMany || none != 0 {
		t.Errorf("third: %v, %d", v, none)
	}
	if _, v = p.Open(b, 0); v != limit.OK {
		t.Errorf("another address: %v", v)
	}
	if got := p.Addr(first); got != a {
		t.Errorf("the place is of %v", got)
	}
	p.Close(first, 0)
	if _, v = p.Open(a, 0); v != limit.OK {
		t.Errorf("after one was given back: %v", v)
	}
}

func TestAddressesThatAreOne(t *testing.T) {
	for _, tt := range []struct {
		name string
		a, b string
		same bool
	}{
		{"a mapped one", "192.0.2.1", "::ffff:192.0.2.1", true},
		{"neighbours", "192.0.2.1", "192.0.2.2", false},
		{"one /64", "2001:db8:0:1::1", "2001:db8:0:1:ffff::2", true},
		{"two of them", "2001:db8:0:1::1", "2001:db8:0:2::1", false},
		{"zones", "fe80::1%eth0", "fe80::1%eth1", true},
		{"loopback", "127.0.0.1", "::1", false},
		{"the first /64 and an IPv4 address", "::", "0.0.0.0", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := limit.NewPlaces(limit.PlaceLimits{Conns: 1})
			p.Open(addr(tt.a), 0)
			if _, v := p.Open(addr(tt.b), 0); (v == limit.TooMany) != tt.same {
				t.Errorf("the second: %v", v)
			}
		})
	}
}

func TestHandshakeRate(t *testing.T) {
	p := limit.NewPlaces(limit.PlaceLimits{Conns: 100, Rate: limit.NewRate(10, 2)})
	a := addr("192.0.2.1")
	for range 2 {
		place, v := p.Open(a, 0)
		if v != limit.OK {
			t.Fatalf("in the burst: %v", v)
		}
		p.Close(place, 0) // gives the connection back, not the handshake
	}
	if _, v := p.Open(a, 0); v != limit.TooOften {
		t.Errorf("too soon: %v", v)
	}
	if p.Knock(a, 0) {
		t.Error("a knock counts otherwise")
	}
	if n := p.Len(0); n != 1 {
		t.Errorf("%d addresses while its bucket fills", n)
	}
	if !p.Knock(a, 100*time.Millisecond) {
		t.Error("not at its rate")
	}
	if n := p.Len(time.Second); n != 0 {
		t.Errorf("%d addresses, of none that counts", n)
	}
}

func TestWait(t *testing.T) {
	p := limit.NewPlaces(limit.PlaceLimits{Waiting: 1})
	a := addr("192.0.2.1")
	place, ok := p.Wait(a, 0)
	if !ok {
		t.Fatal("the first")
	}
	if _, ok := p.Wait(a, 0); ok {
		t.Error("the second")
	}
	if _, v := p.Open(a, 0); v != limit.OK {
		t.Errorf("a connection: %v", v)
	}
	back := p.Return(a, 0)
	p.Leave(place, 0)
	if _, ok := p.Wait(a, 0); ok || back == 0 {
		t.Error("beside one that has come back")
	}
	p.Leave(back, 0)
	if n := p.Len(0); n != 0 {
		t.Errorf("%d addresses", n)
	}
	if _, ok := p.Wait(a, 0); !ok {
		t.Error("after it was given back")
	}
}

func TestPeersWithoutAddress(t *testing.T) {
	p := limit.NewPlaces(limit.PlaceLimits{Conns: 1, Waiting: 1, Rate: limit.NewRate(1, 1)})
	for range 10 {
		place, v := p.Open(netip.Addr{}, 0)
		waits, ok := p.Wait(netip.Addr{}, 0)
		if v != limit.OK || !ok || !p.Knock(netip.Addr{}, 0) {
			t.Fatal("limited")
		}
		p.Close(place, 0)
		p.Leave(waits, 0)
	}
	if p.Addr(0).IsValid() || p.Len(0) != 0 {
		t.Error("something is remembered")
	}
}

// nth returns an address of its own for each number, of either kind.
func nth(i int) netip.Addr {
	if i%2 == 0 {
		return netip.AddrFrom4([4]byte(binary.BigEndian.AppendUint32(nil, uint32(i))))
	}
	return netip.AddrFrom16([16]byte(append(binary.BigEndian.AppendUint64(nil, uint64(0x2001)<<48|uint64(i)), 0, 0, 0, 0, 0, 0, 0, 1)))
}

// A million addresses leave no more behind than the table's bound, and in the end nothing. What somebody has is not
// forgotten meanwhile.
func TestFloodOfAddresses(t *testing.T) {
	p := limit.NewPlaces(limit.PlaceLimits{Conns: 1, Waiting: 1, Rate: limit.NewRate(1, 10)})
	victim := addr("198.51.100.7")
	place, v := p.Open(victim, 0)
	if v != limit.OK {
		t.Fatal(v)
	}
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	for i := range 1_000_000 {
		now := time.Duration(i) * time.Microsecond
		waits, ok := p.Wait(nth(i), now)
		if !ok {
			t.Fatalf("address %d", i)
		}
		p.Leave(waits, now)
		if !p.Knock(nth(i), now) {
			t.Fatalf("address %d", i)
		}
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if n := p.Len(time.Second); n > 1<<16+1 {
		t.Errorf("%d addresses are remembered", n)
	}
	if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > 10<<20 {
		t.Errorf("the table takes %d KiB", grown>>10)
	}
	if _, v := p.Open(victim, time.Second); v != limit.TooMany {
		t.Errorf("the flood has washed away a connection: %v", v)
	}
	p.Close(place, time.Second)
	if n := p.Len(time.Hour); n != 0 {
		t.Errorf("%d addresses in the end", n)
	}
}

// Against a table that forgets nothing.
func TestPlacesModel(t *testing.T) {
	type state struct {
		places, waits []limit.Place
		bucket        limit.Bucket
	}
	rate := limit.NewRate(5, 3)
	for seed := range uint64(20) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		p := limit.NewPlaces(limit.PlaceLimits{Conns: 3, Waiting: 2, Rate: rate})
		model := make([]state, 40)
		var now time.Duration
		for range 20_000 {
			now += time.Duration(rnd.IntN(20)) * time.Millisecond
			i := rnd.IntN(len(model))
			m, a := &model[i], nth(i)
			switch rnd.IntN(5) {
			case 0:
				want := limit.OK
				if !m.bucket.Allow(now, 1, rate) {
					want = limit.TooOften
				} else if len(m.places) == 3 {
					want = limit.TooMany
				}
				place, got := p.Open(a, now)
				if got != want {
					t.Fatalf("open: %v, want %v", got, want)
				}
				if got == limit.OK {
					m.places = append(m.places, place)
				}
			case 1:
				if n := len(m.places); n > 0 {
					p.Close(m.places[n-1], now)
					m.places = m.places[:n-1]
				}
			case 2:
				place, ok := p.Wait(a, now)
				if ok != (len(m.waits) < 2) {
					t.Fatalf("wait: %v with %d", ok, len(m.waits))
				}
				if ok {
					m.waits = append(m.waits, place)
				}
			case 3:
				if n := len(m.waits); n > 0 {
					p.Leave(m.waits[n-1], now)
					m.waits = m.waits[:n-1]
				}
			case 4:
				if got, want := p.Knock(a, now), m.bucket.Allow(now, 1, rate); got != want {
					t.Fatalf("knock: %v, want %v", got, want)
				}
			}
		}
		now += time.Hour
		want := 0
		for i := range model {
			if len(model[i].places)+len(model[i].waits) > 0 {
				want++
			}
		}
		if got := p.Len(now); got != want {
			t.Errorf("%d addresses, want %d", got, want)
		}
	}
}

func TestPlacesConcurrently(t *testing.T) {
	p := limit.NewPlaces(limit.PlaceLimits{Conns: 50, Waiting: 50, Rate: limit.NewRate(1e6, 1e6)})
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for i := range 5000 {
				now := time.Duration(i) * time.Microsecond
				a := nth((i + g) % 100)
				waits, ok := p.Wait(a, now)
				place, v := p.Open(a, now)
				if !ok || v != limit.OK || p.Addr(place) == (netip.Addr{}) {
					t.Errorf("%v %v", ok, v)
					return
				}
				p.Leave(waits, now)
				p.Close(place, now)
			}
		})
	}
	wg.Wait()
	if n := p.Len(time.Hour); n != 0 {
		t.Errorf("%d addresses are left", n)
	}
}

func BenchmarkPlaces(b *testing.B) {
	p := limit.NewPlaces(limit.PlaceLimits{Conns: 10, Waiting: 10, Rate: limit.NewRate(1000, 1000)})
	b.ReportAllocs()
	var now time.Duration
	for i := 0; b.Loop(); i++ {
		now += time.Millisecond
		a := nth(i & 0xffff)
		waits, _ := p.Wait(a, now)
		place, _ := p.Open(a, now)
		p.Leave(waits, now)
		p.Close(place, now)
	}
}
