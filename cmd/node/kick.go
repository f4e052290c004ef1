package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"unicode/utf8"

	"github.com/hoshi-ws/hoshi/internal/config"
	"github.com/hoshi-ws/hoshi/pkg/bus"
)

type kickCmd struct {
	User   kickUserCmd   `cmd:"" help:"every connection of a user"`
	Conn   kickConnCmd   `cmd:"" help:"one connection"`
	Client kickClientCmd `cmd:"" help:"one tab of a Sente client"`
}

type kickFlags struct {
	Code   int    `name:"code" default:"4410" placeholder:"CODE" help:"Close code: 1000, 1012 (come back at once), 1013 (come back later), or 4000 to 4999." meta:""`
	Reason string `name:"reason" placeholder:"TEXT" help:"Close reason, at most 123 bytes." meta:""`
}

type kickUserCmd struct {
	kickFlags

	UID string `arg:"" name:"uid"`
	EDN bool   `name:"edn" help:"UID is EDN. Else it is a string, or with a leading : a keyword." meta:""`
}

type kickConnCmd struct {
	kickFlags

	ConnID string `arg:"" name:"conn-id"`
}

type kickClientCmd struct {
	kickFlags

	ClientID string `arg:"" name:"client-id"`
}

// Help implements kong.HelpProvider.
func (kickUserCmd) Help() string {
	return `  hoshi kick user alice
  hoshi kick user alice --code 4001 --reason 'moved to another server'

Who is kicked may come back: to keep somebody out there is hoshi revoke.`
}

// Help implements kong.HelpProvider.
func (kickConnCmd) Help() string {
	return `  hoshi kick conn conn-0192f3a4-7c1e-7abc-8def-5b1e6f00a2c4`
}

// Help implements kong.HelpProvider.
func (kickClientCmd) Help() string { return `  hoshi kick client 0a1b2c3d-... --code 1012` }

func (k *kickUserCmd) Run(ctx context.Context, s *config.Shared, out output) error {
	uid, text, err := parseName("UID", k.UID, k.EDN)
	if err = errors.Join(err, k.check()); err != nil {
		return err
	}
	return k.kick(ctx, s, out, "user "+text, bus.Kick{UID: uid})
}

func (k *kickConnCmd) Run(ctx context.Context, s *config.Shared, out output) error {
	if err := errors.Join(checkConnID(k.ConnID), k.check()); err != nil {
		return err
	}
	return k.kick(ctx, s, out, k.ConnID, bus.Kick{ConnID: k.ConnID})
}

func (k *kickClientCmd) Run(ctx context.Context, s *config.Shared, out output) error {
	if err := errors.Join(checkClientID(k.ClientID), k.check()); err != nil {
		return err
	}
	return k.kick(ctx, s, out, "client "+printable(k.ClientID), bus.Kick{ClientID: k.ClientID})
}

// check says what is wrong with the code and the reason.
func (k *kickFlags) check() error {
	var errs []error
	if !bus.GoodKickCode(k.Code) {
		errs = append(errs, fmt.Errorf("--code: %d cannot be: want 1000, 1012, 1013, or 4000 to 4999", k.Code))
	}
	if n := len(k.Reason); n > bus.MaxKickReason {
		errs = append(errs, fmt.Errorf("--reason: has %d bytes, a close frame has room for %d", n, bus.MaxKickReason))
	} else if !utf8.ValidString(k.Reason) {
		errs = append(errs, errors.New("--reason: is not UTF-8"))
	}
	return errors.Join(errs...)
}

func (k *kickFlags) kick(ctx context.Context, s *config.Shared, out output, whom string, kick bus.Kick) error {
	kick.Code, kick.Reason = k.Code, k.Reason
	return administer(ctx, s, out, "kicked "+whom, s.Prefix+".api."+bus.APIKick, func(ctx context.Context, c *bus.Client) (bus.Administered, error) {
		return c.Kick(ctx, kick)
	})
}

// administer has all nodes do something, and prints what was closed where. What was
// not done everywhere is a fault.
func administer(ctx context.Context, s *config.Shared, out output, done, subject string, do func(context.Context, *bus.Client) (bus.Administered, error)) error {
	ctx, c, end, err := connectFor(ctx, s, pubTimeout)
	if err != nil {
		return err
	}
	defer end()
	result, err := do(ctx, c)
	for _, node := range slices.Sorted(maps.Keys(result.Nodes)) {
		fmt.Fprintf(out.stdout, "node %s  closed %d\n", node, result.Nodes[node])
	}
	if len(result.Nodes) > 0 {
		fmt.Fprintf(out.stdout, "%s: closed %d\n", done, result.Closed())
	}
	if errors.Is(err, bus.ErrDenied) {
		return denied(s, err, "publish on")
	}
	var faults []error
	for _, keyword := range slices.Sorted(maps.Keys(result.Refused)) {
		faults = append(faults, fmt.Errorf("%d of the nodes refuse it: %s", result.Refused[keyword], printable(keyword)))
	}
	for _, node := range result.Silent {
		faults = append(faults, fmt.Errorf("node %s has not answered, and may not know of it", node))
	}
	if len(result.Silent) > 0 && len(result.Nodes) == 0 && len(result.Refused) == 0 {
		faults = append(faults, fmt.Errorf("may this user publish on %s?", subject))
	}
	switch {
	case errors.Is(err, bus.ErrNobody):
		return errors.New("no node is there")
	case len(faults) > 0:
		return errors.Join(faults...)
	case errors.Is(err, bus.ErrUnavailable), errors.Is(err, context.DeadlineExceeded):
		return unreachable(s, err)
	case err != nil:
		return errors.New(oneLine(err.Error()))
	}
	return nil
}
