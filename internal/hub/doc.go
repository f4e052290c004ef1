// Package hub knows who is here: which connections of this node listen to a
// channel or belong to a user, and which connection has a conn-id.
//
// A [Hub] is cut into shards by key, each with its own lock. Subscribing and
// leaving take that lock for a few instructions; delivering does not: a
// [Topic] publishes its subscribers as an append-only array and a length, so
// that the goroutine that delivers reads a consistent [Snapshot] while others
// come and go. A slot of a published array is never written again. Who has
// left stays in the array, with a closed gate, until a quarter of it is dead;
// then the living are copied to a new array.
//
// Whether a subscriber may be sent something is not decided here but by its
// gate ([Sub.Open]), which belongs to the lock of the connection's send queue:
// that is what makes "no message before the answer to subscribe, none after
// the answer to unsubscribe" exact while a delivery is under way.
//
// The package starts no goroutine, does no I/O, calls nobody back under a lock
// and knows nothing of sockets or NATS. Start reading at [Hub.Join].
package hub
