package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"time"

	"github.com/hoshi-ws/hoshi/internal/config"
)

// localNode is the node of this machine, as its admin listener has it. One call is
// one connection.
type localNode struct {
	addr    config.Addr
	timeout time.Duration
}

// localAnswer is what the node has said, whatever that is.
type localAnswer struct {
	status int
	body   []byte
}

// localTimeout is how long a command waits that has no option for it.
const localTimeout = 5 * time.Second

// maxLocalAnswer is more than any answer to a command has.
const maxLocalAnswer = 1 << 20

// ask sends one request and returns the answer. path may have a query. An error
// says what is wrong and what to do; an answer of any status is none.
func (l localNode) ask(ctx context.Context, method, path, body string) (localAnswer, error) {
	if l.addr == "" || l.addr.Port() == 0 {
		return localAnswer{}, fmt.Errorf("--admin-listen %s says no port to ask: give the one that the node printed when it started", l.addr)
	}
	addr := local(string(l.addr))
	ctx, cancel := context.WithTimeoutCause(ctx, l.timeout, fmt.Errorf("the node at %s has not answered within %v", addr, l.timeout))
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, "http://"+addr+path, strings.NewReader(body))
	if err != nil {
		return localAnswer{}, fmt.Errorf("--admin-listen %s: %w", l.addr, err)
	}
	// Neither a proxy of the environment nor a redirect has a say.
	transport := &http.Transport{DisableKeepAlives: true}
	resp, err := transport.RoundTrip(req)
	if err != nil {
		return localAnswer{}, l.unreachable(ctx, addr, err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxLocalAnswer))
	if err != nil {
		return localAnswer{}, l.unreachable(ctx, addr, err)
	}
	answer := localAnswer{resp.StatusCode, text}
	if answer.status == http.StatusNotFound || answer.status == http.StatusMethodNotAllowed {
		return answer, fmt.Errorf("what listens on %s knows no %s %s: is it another program, another port of the node, or an older one? --admin-listen says where to ask", addr, method, strings.Split(path, "?")[0])
	}
	return answer, nil
}

// unreachable words why nothing came back.
func (l localNode) unreachable(ctx context.Context, addr string, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	const where = "--admin-listen, or HOSHI_ADMIN_LISTEN, says where"
	if errors.Is(err, syscall.ECONNREFUSED) {
		return fmt.Errorf("nobody listens on %s: is a node running here? %s", addr, where)
	}
	if op, ok := errors.AsType[*net.OpError](err); ok && op.Op == "dial" {
		return fmt.Errorf("%s cannot be reached (%s): %s", addr, cause(err), where)
	}
	return fmt.Errorf("what listens on %s does not answer as a node does (%s): %s", addr, clip(oneLine(cause(err))), where) // what it has said may be in it, all of it
}

// text is the answer as one line for a person.
func (a localAnswer) text() string {
	return clip(string(bytes.TrimSpace(a.body)))
}
