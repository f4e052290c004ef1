package wsconn

import "time"

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

// Class is what a series of deliveries has in common: a Policy, for LatestOnly the slot, the group of those whom a
// broadcast is for, and how long they may wait. The zero value is Disconnect, to group 0, at once.
type Class uint64

// Where in a Class the slot, the group and the milliseconds are.
const (
	classSlot  = 8
	classGroup = 40
	classWait  = 48
)

// maxWait is the longest that Within can say.
const maxWait = time.Minute

// NewClass returns a class. Slots, above 0, are the owner's numbers for what has one value at a time.
func NewClass(p Policy, slot uint32) Class { return Class(p) | Class(slot)<<classSlot }

// For returns the class for deliveries to a group (Conn.SetGroup).
func (c Class) For(group uint8) Class { return c&^(0xff<<classGroup) | Class(group)<<classGroup }

// Within returns the class for deliveries that may wait for others, in whole milliseconds, at most a minute; 0 is not
// at all. One that comes to an empty queue waits so long at most: all leaves when 16 messages or 16 KiB wait (or half
// of what the queue can hold, if that is less), when the earliest of their delays is over, or as soon as anything
// without a delay is queued. Order is kept whatever the delays.
func (c Class) Within(d time.Duration) Class {
	d = min(max(d, 0), maxWait)
	return c&^(0xffff<<classWait) | Class(d/time.Millisecond)<<classWait
}

// Policy returns the policy of the class.
func (c Class) Policy() Policy { return Policy(c) & Policy(framePolicy) }

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
