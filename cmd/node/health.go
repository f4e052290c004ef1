package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/hoshi-ws/hoshi/internal/config"
)

type healthCmd struct {
	config.Admin

	Live    bool          `name:"live" help:"Ask whether it runs, not whether it takes clients." meta:""`
	Timeout time.Duration `name:"timeout" default:"2s" min:"1ms" max:"1m" placeholder:"TIME" help:"Time that the node has to answer." meta:""`
}

// Help implements kong.HelpProvider.
func (healthCmd) Help() string {
	return `  hoshi health            exit code 0 if it takes clients, else 1
  hoshi health --live     exit code 0 if it runs, though it may be stopping

For the health check of a container, in which it needs nothing but the variables
of the node. Of the configuration it looks at --admin-listen alone.`
}

// Run prints one line. What keeps the node from answering is a line on standard
// error, and no fault of the command: it was asked how the node is.
func (h *healthCmd) Run(ctx context.Context, out output) error {
	path := "/health/ready"
	if h.Live {
		path = "/health"
	}
	answer, err := localNode{h.AdminListen, h.Timeout}.ask(ctx, http.MethodGet, path, "")
	if err != nil {
		complain(out.stderr, err)
		return errNo
	}
	var said struct {
		Status, Reason, Node string
	}
	if err := json.Unmarshal(answer.body, &said); err != nil || said.Status == "" {
		complain(out.stderr, fmt.Errorf("what listens on %s is no node: it answers %d %s", local(string(h.AdminListen)), answer.status, answer.text()))
		return errNo
	}
	line := printable(said.Status)
	if said.Reason != "" {
		line += ": " + printable(said.Reason)
	}
	if said.Node != "" {
		line += ", node " + printable(said.Node)
	}
	fmt.Fprintln(out.stdout, line)
	if answer.status != http.StatusOK {
		return errNo
	}
	return nil
}
