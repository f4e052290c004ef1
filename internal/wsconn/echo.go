package wsconn

import "github.com/gobwas/ws"

// Echo sends a message back as it came; its Verdict is what OnMessage is to return. It waits for room where there is
// none, so that any number of messages may be on their way, of any size up to MaxMessage: one always fits. Loop only.
func (c *Conn) Echo(op ws.OpCode, payload []byte) Verdict {
	if !c.HasRoom(len(payload)) {
		return Wait
	}
	c.Send(newFrame(op, 0, payload))
	return Done
}
