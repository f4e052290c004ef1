package edge_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/hoshi-ws/hoshi/internal/id"
	"github.com/hoshi-ws/hoshi/pkg/bus"
	"github.com/hoshi-ws/hoshi/pkg/codec"
	"github.com/hoshi-ws/hoshi/pkg/edge"
)

// Whatever is put, the cache stays within its bounds, and says only what is good.
func TestCalloutCacheBounds(t *testing.T) {
	c := edge.NewCalloutCache(5 * time.Second)
	now := time.Now()
	until := map[string]time.Time{} // a model: the last put of each key
	for i := range 60_000 {
		now = now.Add(time.Duration(rand.IntN(1_000_000)))
		key, size := fmt.Sprint(rand.IntN(20_000)), 0
		if i%7 == 0 {
			size = rand.IntN(16 << 10)
		}
		expires := time.Duration(0)
		if i%11 == 0 {
			expires = time.Second
		}
		c.Put(key, size, expires, now)
		until[key] = now.Add(5 * time.Second)
		if expires > 0 {
			until[key] = now.Add(expires)
		}
		if !c.Has(key, now) || c.Has(key, until[key]) {
			t.Fatalf("%d: %s is not there, or stays", i, key)
		}
		probe := fmt.Sprint(rand.IntN(20_000))
		if c.Has(probe, now) && !now.Before(until[probe]) {
			t.Fatalf("%d: %s is not good any more", i, probe)
		}
		entries, queued, bytes := c.Len()
		if entries > 10_000 || queued > 10_000 || bytes > 16<<20 || bytes < 0 || entries > queued {
			t.Fatalf("%d: %d entries, %d queued, %d bytes", i, entries, queued, bytes)
		}
	}
	c.Put("last", 0, 0, now.Add(time.Hour))
	if entries, queued, _ := c.Len(); entries != 1 || queued != 1 {
		t.Errorf("%d entries and %d queued of which one is good", entries, queued)
	}
	none := edge.NewCalloutCache(-1)
	if none.Put("a", 0, 0, now); none.Has("a", now) {
		t.Error("kept although nothing is to be")
	}
}

// FuzzCalloutAnswer: whatever a backend says, who is let in has a legal uid and
// legal channels, once each, and bounded data.
func FuzzCalloutAnswer(f *testing.F) {
	for i, text := range []string{
		`{:allow true, :uid "bob", :channels ["a" :b/c #{1}], :handshake-data {:x 1}, :expires-in 3600}`,
		`{:allow true :uid #_x ^:m alice}`, `#:a{:allow true}`, `{:allow #_false true}`,
	} {
		f.Add([]byte(text), uint8(codec.EDN)+uint8(i)*0)
	}
	f.Add([]byte(`{"allow":true,"uid":":a/b","channels":["x",":y"],"handshake-data":null}`), uint8(codec.JSON))
	f.Add([]byte(`["^ ","~:allow",true,"~:uid","~:team/bob"]`), uint8(codec.Transit))
	f.Add([]byte("\x82\xc7\x05\x00allow\xc3\xc7\x03\x00uid\x2a"), uint8(codec.MessagePack))
	f.Fuzz(func(t *testing.T, body []byte, format uint8) {
		format %= codec.Formats
		var scan codec.Scanner
		value, err := scan.Value(codec.Format(format), body) // as the bus hands it over
		if err != nil {
			return
		}
		allowed, uid, channels, data, err := edge.ReadAnswer(value, codec.Format(format))
		if err != nil && (allowed || uid != "" || channels != nil || data != nil) {
			t.Fatalf("%v, and %v %q %q", err, allowed, uid, channels)
		}
		seen := map[string]bool{}
		for i, token := range append(channels, uid) {
			if token == "" && i == len(channels) {
				continue // no uid
			}
			if _, err := bus.ParseToken(token); err != nil || seen[token] && i < len(channels) {
				t.Fatalf("token %q: %v", token, err)
			}
			seen[token] = true
		}
		if _, isConn := id.ParseConn(uid); isConn || uid == ":sente/nil-uid" || len(data) > bus.MaxHandshakeData {
			t.Fatalf("uid %q, %d bytes of data", uid, len(data))
		}
	})
}
