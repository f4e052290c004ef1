package id

import (
	"encoding/binary"
	"sync"
)

const counterBits = 26

// Generator makes the conn-ids of one node. It is safe for concurrent use.
type Generator struct {
	node Node // fixed after New

	mu struct {
		sync.Mutex
		ms      int64  // time of the last id; never goes back
		counter uint32 // 26 bits, restarted each millisecond
	}
}

// NewGenerator returns a generator for node.
func NewGenerator(node Node) *Generator { return &Generator{node: node} }

// Next returns a new conn-id. Ids of one generator are unique and grow, as
// bytes and as text, even where unixMilli (milliseconds since 1970) stands
// still or goes back, and where more than 2^26 are asked for in a millisecond:
// then the id's time runs ahead of the clock.
func (g *Generator) Next(unixMilli int64) Conn {
	g.mu.Lock()
	switch {
	case unixMilli > g.mu.ms:
		g.mu.ms, g.mu.counter = unixMilli, 0
	case g.mu.counter == 1<<counterBits-1:
		g.mu.ms++
		g.mu.counter = 0
	default:
		g.mu.counter++
	}
	ms, n := g.mu.ms, g.mu.counter
	g.mu.Unlock()

	var c Conn
	binary.BigEndian.PutUint64(c[:8], uint64(ms)<<16|7<<12|uint64(n>>14))
	binary.BigEndian.PutUint16(c[8:10], 2<<14|uint16(n&0x3fff))
	copy(c[10:], g.node[:])
	return c
}
