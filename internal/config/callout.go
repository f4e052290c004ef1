package config

import (
	"strings"
	"time"
)

// Callouts is what a node understands about backends that are asked before
// clients may do something.
type Callouts struct {
	CalloutConnect   bool          `name:"callout-connect" help:"Ask a backend on hoshi.auth.connect whether a client may connect, and as whom: about each upgrade, poll and send." more:"Where nobody answers nobody is let in. docs/callouts.md has what is asked and answered." group:"Call-outs" tune:""`
	CalloutSubscribe []string      `name:"callout-subscribe" placeholder:"PATTERN,..." help:"Ask on hoshi.auth.subscribe about each subscribe to the channels that match one of these, as in --channel-rules." more:"Rules are asked first." group:"Call-outs" tune:""`
	CalloutPublish   []string      `name:"callout-publish" placeholder:"PATTERN,..." help:"Ask on hoshi.auth.publish about each publish of a client in these." group:"Call-outs" tune:""`
	CalloutTimeout   time.Duration `name:"callout-timeout" default:"1s" min:"10ms" max:"5s" placeholder:"TIME" help:"How long the answer may take; without one the client is refused as unavailable." group:"Call-outs" tune:""`
	CalloutCache     time.Duration `name:"callout-cache" default:"5s" min:"0s" max:"1h" placeholder:"TIME" help:"How long an answer is good for the same user and channel, and for polls and sends that are the same; 0 is not at all." more:"At most 10,000 answers are kept." group:"Call-outs" tune:""`
	CalloutHeaders   []string      `name:"callout-headers" placeholder:"NAME,..." help:"Headers of the request that the backend is told with --callout-connect." more:"None by default: Cookie and Authorization are secrets of the client." group:"Call-outs" tune:""`
	CalloutFormat    string        `name:"callout-format" default:"edn" oneof:"edn,json" placeholder:"FORMAT" help:"Whether backends are asked in edn or json." more:"They may answer in any format that they declare." group:"Call-outs" tune:""`
}

// check reports relations between the options of call-outs, and what can be no
// name. Patterns are checked by who hands them on.
func (c *Callouts) check(report Report) {
	if len(c.CalloutHeaders) > 0 && !c.CalloutConnect {
		report("callout-headers", "needs --callout-connect: the other call-outs are told no headers")
	}
	for _, name := range c.CalloutHeaders {
		if strings.ContainsAny(name, " \t:;\"()") {
			report("callout-headers", quote(name)+" is no name of a header, like User-Agent")
			break
		}
	}
}

// Asks reports whether any backend is asked.
func (c *Callouts) Asks() bool {
	return c.CalloutConnect || len(c.CalloutSubscribe)+len(c.CalloutPublish) > 0
}
