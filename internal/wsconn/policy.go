package wsconn

// Policy says what becomes of a delivery that does not fit the send queue of a slow reader. A frame that is no
// delivery (an answer, a ping, a close) is under Disconnect.
//
// A frame that does not fit first takes the room of what may be dropped, if that is enough: of queued drop-oldest
// frames, oldest first, then of latest-only ones, oldest first. A frame under Disconnect may then take that of
// drop-newest ones, newest first. Nothing takes the place of a frame that has begun to leave.
type Policy uint8

const (
	// Disconnect closes the connection with 1013 when a frame does not fit.
	Disconnect Policy = iota
	// DropOldest drops queued frames to make room for new ones.
	DropOldest
	// DropNewest drops the new frame, and takes nobody's room.
	DropNewest
	// LatestOnly keeps one frame of each slot, whatever room there is: a newer one takes the place of one that
	// waits. Without a slot it is as DropOldest.
	LatestOnly
)

// String returns the name that options use.
func (p Policy) String() string {
	return [...]string{"disconnect", "drop-oldest", "drop-newest", "latest-only"}[p&3]
}

// Class is a Policy, for LatestOnly the slot, and the group of those whom a broadcast is for: what a series of
// deliveries has in common. The zero value is Disconnect, to group 0.
type Class uint64

// NewClass returns a class. Slots, above 0, are the owner's numbers for what has one value at a time.
func NewClass(p Policy, slot uint32) Class { return Class(p) | Class(slot)<<8 }

// For returns the class for deliveries to a group (Conn.SetGroup).
func (c Class) For(group uint8) Class { return c&^(0xff<<40) | Class(group)<<40 }

// Policy returns the policy of the class.
func (c Class) Policy() Policy { return Policy(c) }

// Reasons for which deliveries are dropped.
const (
	droppedOldest     = iota // to make room
	droppedNewest            // did not fit, or came last when room had to be made
	droppedSuperseded        // a newer one took its slot
	droppedCount
)

var droppedNames = [droppedCount]string{"oldest", "newest", "superseded"}

// droppedLocked counts a drop, for Stats and for the notice that c is owed.
func (c *Conn) droppedLocked(reason int) {
	c.loop.srv.totals.dropped[reason].Add(1)
	if c.mu.dropped+1 != 0 {
		c.mu.dropped++
	}
}
