package wsconn

import (
	"errors"
	"io"

	"github.com/hoshi-ws/hoshi/internal/poller"
)

var _ poller.Handler = (*sockEvents)(nil)

// Socket implements poller.Handler.
func (e *sockEvents) Socket() *poller.Socket { return &e.sock }

// OnRead implements poller.Handler.
func (e *sockEvents) OnRead(p []byte) { (*Conn)(e).onRead(p) }

// OnHangup implements poller.Handler.
func (e *sockEvents) OnHangup(err error) {
	(*Conn)(e).brokenOff(err)
	(*Conn)(e).onHangup(errors.Is(err, io.EOF))
}

// OnWritable implements poller.Handler.
func (e *sockEvents) OnWritable() {
	e.loop.n.at = e.loop.clockOf(e.loop.p.Now())
	e.loop.flush((*Conn)(e), true)
}

// OnTimer implements poller.Handler.
func (e *sockEvents) OnTimer() { (*Conn)(e).onTimer() }
