package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/hoshi-ws/hoshi/internal/config"
	"github.com/hoshi-ws/hoshi/pkg/bus"
)

type revokeCmd struct {
	User  revokeUserCmd  `cmd:"" help:"all that a user has been given until now"`
	Token revokeTokenCmd `cmd:"" help:"one token, by its jti"`
	All   revokeAllCmd   `cmd:"" help:"all that everybody has been given until now"`
}

type revokeFlags struct {
	Until string `name:"until" placeholder:"TIME" help:"Until when nodes remember it: until the tokens have expired. A time, or so long from now as in 48h; 24h where it is left out." meta:""`
}

type revokeUserCmd struct {
	revokeFlags

	UID          string `arg:"" name:"uid"`
	EDN          bool   `name:"edn" help:"UID is EDN. Else it is a string, or with a leading : a keyword." meta:""`
	IssuedBefore string `name:"issued-before" placeholder:"TIME" help:"Tokens that were issued before; now where it is left out. One in the future keeps the user out until then." meta:""`
}

type revokeTokenCmd struct {
	revokeFlags

	ID string `arg:"" name:"id"`
}

type revokeAllCmd struct {
	revokeFlags

	IssuedBefore string `name:"issued-before" placeholder:"TIME" help:"Tokens that were issued before; now where it is left out." meta:""`
}

// Help implements kong.HelpProvider.
func (revokeUserCmd) Help() string {
	return `  hoshi revoke user alice
  hoshi revoke user alice --until 720h
  hoshi revoke user --edn 42 --issued-before 2026-11-27T12:00:00Z

Each node says how many connections it has closed, with 4403. To close them
alone, and believe the user as before, there is hoshi kick.`
}

// Help implements kong.HelpProvider.
func (revokeTokenCmd) Help() string {
	return `  hoshi revoke token 4f1c-77 --until 2026-12-24T18:00:00Z`
}

// Help implements kong.HelpProvider.
func (revokeAllCmd) Help() string {
	return `  hoshi revoke all --issued-before 2026-11-27T12:00:00Z`
}

func (r *revokeUserCmd) Run(ctx context.Context, s *config.Shared, out output) error {
	now := time.Now()
	uid, text, errName := parseName("UID", r.UID, r.EDN)
	before, errBefore := parseIssuedBefore(r.IssuedBefore, now)
	until, errUntil := parseUntil(r.Until, now)
	if err := errors.Join(errName, errBefore, errUntil); err != nil {
		return err
	}
	return revoke(ctx, s, out, "user "+text, bus.Revocation{UID: uid, IssuedBefore: before, Until: until}, now)
}

func (r *revokeTokenCmd) Run(ctx context.Context, s *config.Shared, out output) error {
	now := time.Now()
	until, err := parseUntil(r.Until, now)
	if err = errors.Join(checkTokenID(r.ID), err); err != nil {
		return err
	}
	return revoke(ctx, s, out, "token "+printable(r.ID), bus.Revocation{TokenID: r.ID, Until: until}, now)
}

func (r *revokeAllCmd) Run(ctx context.Context, s *config.Shared, out output) error {
	now := time.Now()
	before, errBefore := parseIssuedBefore(r.IssuedBefore, now)
	until, errUntil := parseUntil(r.Until, now)
	if err := errors.Join(errBefore, errUntil); err != nil {
		return err
	}
	if before.IsZero() {
		before = now
	}
	return revoke(ctx, s, out, "everybody", bus.Revocation{IssuedBefore: before, Until: until}, now)
}

// checkTokenID says what is wrong with a jti. A whole token is a likely mistake.
func checkTokenID(text string) error {
	switch {
	case text == "":
		return errors.New("ID is empty: want the jti of a token")
	case strings.HasPrefix(text, "eyJ") && strings.Count(text, ".") == 2:
		return errors.New("ID is a whole token: want its jti, a claim in it")
	case len(text) > bus.MaxTokenID:
		return fmt.Errorf("ID is too long: %d bytes at most", bus.MaxTokenID)
	}
	return nil
}

// parseTime reads a time as people write it, the zero time where there is none.
func parseTime(option, text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	for _, layout := range []string{time.RFC3339, time.DateOnly} {
		if t, err := time.Parse(layout, text); err == nil {
			return t, nil
		}
	}
	if ms, err := strconv.ParseInt(text, 10, 64); err == nil {
		if ms > 1e11 {
			return time.UnixMilli(ms), nil
		}
		return time.Time{}, fmt.Errorf("%s: %s looks like seconds: want milliseconds since 1970, or a time like 2026-11-27T12:00:00Z", option, clip(text))
	}
	return time.Time{}, fmt.Errorf("%s: %s is no time: want one like 2026-11-27T12:00:00Z", option, clip(text))
}

// parseIssuedBefore reads a time, the zero time where there is none.
func parseIssuedBefore(text string, now time.Time) (time.Time, error) {
	t, err := parseTime("--issued-before", text)
	switch {
	case err != nil || t.IsZero():
		return t, err
	case t.After(now.Add(bus.MaxRevocation)):
		return t, fmt.Errorf("--issued-before: %s is more than a year from now", clip(text))
	case t.Year() < 2000:
		return t, fmt.Errorf("--issued-before: %s is older than any token", clip(text))
	}
	return t, nil
}

// parseUntil reads a time, or a duration from now.
func parseUntil(text string, now time.Time) (time.Time, error) {
	t, err := parseTime("--until", text)
	if d, bad := time.ParseDuration(text); bad == nil {
		t, err = now.Add(d), nil
	}
	switch {
	case err != nil:
		return t, fmt.Errorf("%w, or so long from now like 48h", err)
	case t.IsZero():
		return t, nil
	case !t.After(now):
		return t, fmt.Errorf("--until: %s is over", clip(text))
	case t.After(now.Add(bus.MaxRevocation)):
		return t, fmt.Errorf("--until: %s is more than a year from now", clip(text))
	}
	return t, nil
}

func revoke(ctx context.Context, s *config.Shared, out output, what string, r bus.Revocation, now time.Time) error {
	if err := r.Complete(now); err != nil {
		return errors.New(oneLine(err.Error()))
	}
	return administer(ctx, s, out, "revoked "+what, s.Prefix+".api."+bus.APIRevoke, func(ctx context.Context, c *bus.Client) (bus.Administered, error) {
		return c.Revoke(ctx, r)
	})
}
