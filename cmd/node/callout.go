package main

import (
	"strings"

	"github.com/hoshi-ws/hoshi/internal/auth/rules"
	"github.com/hoshi-ws/hoshi/internal/config"
	"github.com/hoshi-ws/hoshi/pkg/edge"
)

// calloutOptions says to the node what backends are asked.
func calloutOptions(c *config.Callouts) edge.CalloutOptions {
	format, _ := formatOf(c.CalloutFormat)
	return edge.CalloutOptions{
		Connect:   c.CalloutConnect,
		Subscribe: c.CalloutSubscribe,
		Publish:   c.CalloutPublish,
		Timeout:   c.CalloutTimeout,
		Cache:     orNone(c.CalloutCache),
		Headers:   c.CalloutHeaders,
		Format:    format,
	}
}

// checkCallouts reports patterns that the node would refuse when it starts.
func checkCallouts(c *config.Callouts, report config.Report) {
	for _, o := range []struct {
		option string
		list   []string
	}{{"callout-subscribe", c.CalloutSubscribe}, {"callout-publish", c.CalloutPublish}} {
		for _, p := range o.list {
			if _, err := rules.New([]rules.Rule{{Pattern: p}}, nil); err != nil {
				_, text, _ := strings.Cut(oneLine(err.Error()), " for channels, ") // it is called a rule there
				report(o.option, text)
				break
			}
		}
	}
}
