package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/hoshi-ws/hoshi/internal/config"
	"github.com/hoshi-ws/hoshi/pkg/bus"
)

type channelsCmd struct {
	Limit int    `name:"limit" default:"50" placeholder:"NUMBER" help:"Channels that are printed, at most 10000." meta:""`
	Match string `name:"match" placeholder:"PATTERN" help:"Those whose name matches: * is any run of characters." meta:""`
	JSON  bool   `name:"json" help:"Print JSON." meta:""`
}

// Help implements kong.HelpProvider.
func (channelsCmd) Help() string {
	return `  hoshi channels
  hoshi channels --match 'price/*' --limit 10

Sums of all nodes. Each names those with most subscribers, so that with very many
channels the sums may lack some: then it says so.`
}

// channelSums are the channels of all nodes.
type channelSums struct {
	Channels []channelSum `json:"channels"`
	// Total is how many channels there are, Subscribers how many subscriptions. At
	// least, where Approximate says that nodes have not named all.
	Total       int      `json:"total"`
	Subscribers int      `json:"subscribers"`
	More        int      `json:"more"`
	Approximate bool     `json:"approximate"`
	Nodes       int      `json:"nodes"`
	Silent      []string `json:"silent,omitempty"`
}

type channelSum struct {
	Channel     string `json:"channel"`
	Subscribers int    `json:"subscribers"`
	Nodes       int    `json:"nodes"`
}

func (c *channelsCmd) Run(ctx context.Context, s *config.Shared, out output) error {
	if err := checkRange("--limit", c.Limit, 1, bus.MaxChannels); err != nil {
		return err
	}
	if len(c.Match) > 1024 {
		return errors.New("--match: has more than 1024 bytes")
	}
	return look(ctx, s, out, bus.APIChannels, false, func(ctx context.Context, b *bus.Client) (bus.Survey[bus.ChannelsView], error) {
		return b.Channels(ctx, bus.ChannelsQuery{Match: c.Match, Limit: max(c.Limit, bus.DefaultChannels)})
	}, func(answer *bus.Survey[bus.ChannelsView]) error {
		sums := sumChannels(answer, c.Limit)
		if c.JSON {
			return printJSON(out.stdout, sums)
		}
		return printChannels(out.stdout, &sums)
	})
}

// sumChannels adds up what nodes have named, and keeps the first.
func sumChannels(answer *bus.Survey[bus.ChannelsView], limit int) channelSums {
	all := channelSums{Nodes: len(answer.Nodes), Silent: answer.Silent}
	byName := map[string]*channelSum{}
	most := 0
	for _, v := range answer.Nodes {
		all.Subscribers += v.Subscribers
		all.Approximate = all.Approximate || v.More > 0
		most = max(most, v.Total)
		for _, ch := range v.Channels {
			sum := byName[ch.Channel]
			if sum == nil {
				sum = &channelSum{Channel: ch.Channel}
				byName[ch.Channel] = sum
			}
			sum.Subscribers += ch.Subscribers
			sum.Nodes++
		}
	}
	all.Total = max(len(byName), most)
	for _, sum := range byName {
		all.Channels = append(all.Channels, *sum)
	}
	slices.SortFunc(all.Channels, func(a, b channelSum) int {
		return cmp.Or(cmp.Compare(b.Subscribers, a.Subscribers), cmp.Compare(a.Channel, b.Channel))
	})
	all.Channels = all.Channels[:min(limit, len(all.Channels))]
	all.More = all.Total - len(all.Channels)
	if all.Channels == nil {
		all.Channels = []channelSum{}
	}
	return all
}

func printChannels(w io.Writer, all *channelSums) error {
	var b strings.Builder
	if len(all.Channels) > 0 {
		b.WriteString("subscribers  nodes  channel\n")
	}
	for _, ch := range all.Channels {
		fmt.Fprintf(&b, "%11s  %5d  %s\n", grouped(ch.Subscribers), ch.Nodes, printable(ch.Channel))
	}
	if all.More > 0 {
		fmt.Fprintf(&b, "and %s more\n", grouped(all.More))
	}
	least := ""
	if all.Approximate {
		least = "at least "
	}
	fmt.Fprintf(&b, "%s%s, %s, %s\n", least, counted(all.Total, "channel"), counted(all.Subscribers, "subscription"), counted(all.Nodes, "node"))
	if all.Approximate {
		b.WriteString("approximate: a node has more channels than it names, see --match\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}
