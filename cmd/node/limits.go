package main

import (
	"github.com/hoshi-ws/hoshi/internal/config"
	"github.com/hoshi-ws/hoshi/pkg/edge"
)

// limitOptions says to the node what clients may have and may do.
func limitOptions(l *config.Limits) edge.LimitOptions {
	return edge.LimitOptions{
		MaxConnections:             l.MaxConnections,
		MaxConnectionsPerAddress:   l.MaxConnectionsPerAddress,
		MaxConnectionsPerUser:      l.MaxConnectionsPerUser,
		MaxHandshakeRate:           l.MaxHandshakeRate,
		MaxHandshakeRatePerAddress: l.MaxHandshakeRatePerAddress,
		MaxHeads:                   l.MaxHeads,
		MaxHeadsPerAddress:         l.MaxHeadsPerAddress,
		MaxEventRate:               numberOrNone(l.MaxEventRate),
		MaxByteRate:                numberOrNone(int(l.MaxByteRate)),
		MaxCallbacks:               l.MaxCallbacks,
		MaxNesting:                 l.MaxNesting,
		MaxFragments:               l.MaxFragments,
	}
}

// numberOrNone returns a number of pkg/edge, where 0 is the default and a negative
// one no limit.
func numberOrNone(n int) int {
	if n == 0 {
		return -1
	}
	return n
}
