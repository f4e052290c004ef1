package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/rs/zerolog"

	"github.com/hoshi-ws/hoshi/internal/config"
	"github.com/hoshi-ws/hoshi/internal/obs"
)

type logLevelCmd struct {
	config.Admin

	Level  string        `arg:"" name:"level" optional:""`
	NodeID string        `arg:"" name:"node-id" optional:""`
	For    time.Duration `name:"for" default:"0s" min:"0s" max:"24h" placeholder:"TIME" help:"Go back by itself after this time; 0 stays." meta:""`
}

// Help implements kong.HelpProvider.
func (logLevelCmd) Help() string {
	return `  hoshi log-level                    what it is
  hoshi log-level debug --for 10m    then what it was
  hoshi log-level warn               until the node ends
  hoshi log-level warn 0b6f1c2a9d3e  of that one, over NATS

LEVEL is debug, info, warn or error. At debug the embedded NATS server tells of
its connections too.`
}

// logLevel is what GET and PUT of /log-level answer.
type logLevel struct {
	Level  string `json:"level"`
	LeftMS int64  `json:"left-ms,omitempty"` // until Then comes
	Then   string `json:"then,omitempty"`
}

func (l logLevel) status() obs.LevelStatus {
	return obs.LevelStatus{Level: l.Level, Left: time.Duration(l.LeftMS) * time.Millisecond, Base: l.Then}
}

func levelOf(s obs.LevelStatus) logLevel {
	l := logLevel{Level: s.Level}
	if s.Left > 0 {
		l.LeftMS, l.Then = max(s.Left.Milliseconds(), 1), s.Base
	}
	return l
}

func (l *logLevelCmd) Run(ctx context.Context, s *config.Shared, out output) error {
	if l.NodeID != "" {
		return l.far(ctx, s, out)
	}
	if checkNodeID(l.Level) == nil {
		return fmt.Errorf("which LEVEL for node %s? Its machine alone says what it is", printable(l.Level))
	}
	method, path := http.MethodGet, "/log-level"
	switch {
	case l.Level != "":
		method = http.MethodPut
		if l.For > 0 {
			path += "?for=" + url.QueryEscape(l.For.String())
		}
	case l.For > 0:
		return errors.New("--for: which LEVEL?")
	}
	answer, err := localNode{l.AdminListen, localTimeout}.ask(ctx, method, path, l.Level)
	if err != nil {
		return err
	}
	var said logLevel
	switch err := json.Unmarshal(answer.body, &said); {
	case answer.status == http.StatusBadRequest:
		return fmt.Errorf("LEVEL %s: %s", clip(l.Level), answer.text())
	case answer.status != http.StatusOK || err != nil || said.Level == "":
		return fmt.Errorf("what listens on %s answers %d %s", local(string(l.AdminListen)), answer.status, answer.text())
	}
	fmt.Fprintln(out.stdout, said.status())
	return nil
}

// setLevel changes how much the node logs, for a time or with 0 for good, and logs
// that, whatever the level. An error matches obs.ErrLevel.
func setLevel(logs *obs.Log, name string, d time.Duration) error {
	set := logs.Level.Set
	if d != 0 {
		set = func(name string) error { return logs.Level.For(name, d) }
	}
	if err := set(name); err != nil {
		return err
	}
	e := logs.Log().Str(zerolog.LevelFieldName, zerolog.LevelInfoValue).Str("log_level", name)
	if d != 0 {
		e = e.Stringer("for", d)
	}
	e.Msg("log level is set")
	return nil
}

// serveLevel answers GET /log-level.
func (n *node) serveLevel(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(w).Encode(levelOf(n.logs.Level.Get())); err != nil {
		return // the peer is gone
	}
}

// takeLevel answers PUT /log-level?for=10m, whose body is the level.
func (n *node) takeLevel(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 64))
	var d time.Duration
	if text := r.URL.Query().Get("for"); err == nil && text != "" {
		if d, err = time.ParseDuration(text); err != nil || d == 0 {
			err = fmt.Errorf("for=%s is no time, like 10m", printable(text))
		}
	}
	if err == nil {
		err = setLevel(n.logs, strings.TrimSpace(string(body)), d)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	n.serveLevel(w, r)
}
