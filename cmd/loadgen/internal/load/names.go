package load

import (
	"bytes"
	"fmt"
)

// names gives each connection a uid of its own, which is its own token on NATS. A
// nil one gives none.
type names struct{ client *client }

// of returns the uid of connection i.
func (n *names) of(i int) string { return fmt.Sprintf("load-%s-%06d", n.client.tag[:4], i) }

func (n *names) query(i int) string {
	if n == nil {
		return ""
	}
	return "uid=" + n.of(i)
}

// greeted tells whether the handshake has the uid.
func (n *names) greeted(c *conn, msg []byte) error {
	if n == nil || bytes.Contains(msg, []byte(n.of(c.index))) {
		return nil
	}
	return fmt.Errorf("connection %d: the server does not take the uid from the query; start it with --insecure-uid-param uid (or --dev): %.120s", c.index, msg)
}

// names returns those of the sockets of an idle run or a storm.
func (c *client) names() *names {
	if !c.opt.Users {
		return nil
	}
	return &names{c}
}
