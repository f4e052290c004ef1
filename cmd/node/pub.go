package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/hoshi-ws/hoshi/internal/config"
	"github.com/hoshi-ws/hoshi/pkg/bus"
)

// pubTimeout bounds one push, from the first byte to NATS's answer.
const pubTimeout = 10 * time.Second

func (p *pubUserCmd) Run(ctx context.Context, s *config.Shared, out output) error {
	uid, text, errName := parseName("UID", p.UID, p.EDN)
	if err := errors.Join(errName, checkEvent(p.Event)); err != nil {
		return err
	}
	return publish(ctx, s, out, recipient{"user " + text, "it has no socket on any node"}, func(c *bus.Client, heard bus.PublishOption) error {
		return c.PublishUser(uid, []byte(p.Event), p.options(heard)...)
	})
}

func (p *pubConnCmd) Run(ctx context.Context, s *config.Shared, out output) error {
	if err := errors.Join(checkConnID(p.ConnID), checkEvent(p.Event)); err != nil {
		return err
	}
	return publish(ctx, s, out, recipient{p.ConnID, "its node is gone"}, func(c *bus.Client, heard bus.PublishOption) error {
		return c.PublishConn(p.ConnID, []byte(p.Event), p.options(heard)...)
	})
}

func (p *pubClientCmd) Run(ctx context.Context, s *config.Shared, out output) error {
	if err := errors.Join(checkClientID(p.ClientID), checkEvent(p.Event)); err != nil {
		return err
	}
	return publish(ctx, s, out, recipient{"client " + printable(p.ClientID), "no node has it"}, func(c *bus.Client, heard bus.PublishOption) error {
		return c.PublishClient(p.ClientID, []byte(p.Event), p.options(heard)...)
	})
}

func (p *pubChanCmd) Run(ctx context.Context, s *config.Shared, out output) error {
	channel, text, errName := parseName("CHANNEL", p.Channel, p.EDN)
	if err := errors.Join(errName, checkValue("DATA", p.Data)); err != nil {
		return err
	}
	return publish(ctx, s, out, recipient{"channel " + text, "it has no subscribers on any node"}, func(c *bus.Client, heard bus.PublishOption) error {
		return c.PublishChannel(channel, []byte(p.Data), p.options(heard)...)
	})
}

func (p *pubAllCmd) Run(ctx context.Context, s *config.Shared, out output) error {
	if err := checkEvent(p.Event); err != nil {
		return err
	}
	return publish(ctx, s, out, recipient{"everyone", "no node is there"}, func(c *bus.Client, heard bus.PublishOption) error {
		return c.PublishAll([]byte(p.Event), p.options(heard)...)
	})
}

// options are those of a push.
func (f pushFlags) options(heard bus.PublishOption) []bus.PublishOption {
	if f.Flush {
		return []bus.PublishOption{heard, bus.Timed(), bus.Flush()}
	}
	return []bus.PublishOption{heard, bus.Timed()}
}

// parseName reads the name of a user or a channel as people write it, and
// returns it with its EDN text.
func parseName(what, arg string, isEDN bool) (name bus.Name, text string, err error) {
	if isEDN {
		if err := checkValue(what, arg); err != nil {
			return name, "", err
		}
		text = arg
	} else {
		b, err := bus.CommandLineName(arg)
		if err != nil {
			return name, "", badName(what, arg, err)
		}
		text = string(b)
	}
	name = bus.EDN(text)
	if _, err := name.Token(); err != nil {
		return name, "", badName(what, arg, err)
	}
	return name, printable(text), nil
}

// badName says why a name has no subject.
func badName(what, arg string, err error) error {
	reason := ""
	if e, ok := errors.AsType[*bus.NameError](err); ok {
		reason = e.Reason
	}
	switch reason {
	case bus.NameEmpty:
		return fmt.Errorf("%s is empty", what)
	case bus.NameNil:
		return fmt.Errorf("%s is nil, which names nothing", what)
	case bus.NameTooLong:
		return fmt.Errorf("%s is too long: %d bytes at most, and what a subject cannot hold counts three times", what, bus.MaxToken)
	}
	if strings.HasPrefix(arg, ":") {
		return fmt.Errorf("%s %s begins with a colon and is no legal keyword; as a string it is --edn '\"%s\"'", what, clip(arg), clip(arg))
	}
	return fmt.Errorf("%s %s names nothing: %s", what, clip(arg), oneLine(err.Error()))
}

// recipient is whom a push is for, and what it means when NATS knows nobody who
// takes it.
type recipient struct{ name, nobody string }

// publish sends once and says whether anybody is there to hear it.
func publish(ctx context.Context, s *config.Shared, out output, to recipient, send func(*bus.Client, bus.PublishOption) error) error {
	ctx, c, end, err := connectFor(ctx, s, pubTimeout)
	if err != nil {
		return err
	}
	defer end()
	heard := false
	err = send(c, bus.Heard(ctx, &heard))
	if remote, ok := errors.AsType[*bus.RemoteError](err); ok {
		return fmt.Errorf("a node refuses it: %s", printable(remote.Keyword))
	}
	switch {
	case errors.Is(err, bus.ErrTooLarge):
		return fmt.Errorf("it is larger than NATS carries (max_payload is %v)", config.Size(c.MaxPayload()))
	case errors.Is(err, bus.ErrDenied):
		return denied(s, err, "publish on")
	case errors.Is(err, context.DeadlineExceeded):
		return unreachable(s, context.Cause(ctx))
	case err != nil:
		return errors.New(oneLine(err.Error()))
	}
	fmt.Fprintf(out.stdout, "sent to %s\n", to.name)
	if !heard {
		fmt.Fprintf(out.stderr, "hoshi: nobody hears it, says NATS: %s\n", to.nobody)
	}
	return nil
}
