package edge

import "time"

// HungAfter has a node that does not serve yet call a loop hung after d.
func HungAfter(n *Node, d time.Duration) { n.hungAfter = d }
