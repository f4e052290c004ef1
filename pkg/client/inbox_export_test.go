package client

import "context"

// What the connection does with the inbox of a client, for tests of the receive
// side alone.

// Put brings a message.
func (c *Client) Put(m Message) (waited bool) { return c.in.put(m) }

// Renew says that the connection has ended.
func (c *Client) Renew(d *Disconnect) { c.in.renew(d) }

// StopReceiving ends the receive side.
func (c *Client) StopReceiving(err error) { c.in.stop(err) }

// Post runs f on the dispatcher.
func (c *Client) Post(f func()) { c.in.post(f) }

// Expect is the begin of n requests, or the end.
func (c *Client) Expect(n int) { c.in.expect(n) }

// Settle waits until the dispatcher has ended.
func (c *Client) Settle(ctx context.Context) { c.in.wait(ctx) }

// ReceiveStats is Stats().Receive.
func (c *Client) ReceiveStats() ReceiveStats { return c.in.stats() }

// Listed returns how many registrations a message would have to pass, those that
// have ended included. Only after Settle.
func (c *Client) Listed() int { return len(c.in.handlers.all()) + len(c.in.waiters.all()) }
