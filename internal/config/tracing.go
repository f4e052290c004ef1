package config

import (
	"net/url"
	"strconv"
	"strings"
)

// Tracing is what a node understands about traces.
type Tracing struct {
	TraceEndpoint string `name:"trace-endpoint" placeholder:"URL" help:"Send traces there, by OTLP over HTTP, like http://127.0.0.1:4318. Without it nothing is traced." more:"/v1/traces is added to it." group:"Tracing" tune:""`
	TraceSample   Ratio  `name:"trace-sample" default:"0.01" placeholder:"RATIO" help:"Part of the events of clients that is traced, 0 to 1, but for those that come with a trace of their own." more:"Those are traced where the client says that they are, 100 a second at most, and none with a ratio of 0. What backends trace is traced in any case." group:"Tracing" tune:""`
}

// check reports what can be no endpoint.
func (t *Tracing) check(report Report) {
	if t.TraceEndpoint == "" {
		return
	}
	u, err := url.Parse(t.TraceEndpoint)
	switch {
	case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "":
		report("trace-endpoint", quote(Redact(t.TraceEndpoint))+" is no URL of an endpoint: want one like http://127.0.0.1:4318")
	case u.User != nil:
		report("trace-endpoint", quote(Redact(t.TraceEndpoint))+" holds credentials: send to a collector that has them")
	case u.RawQuery != "" || u.Fragment != "":
		report("trace-endpoint", "has something behind its path: want one like http://127.0.0.1:4318")
	case strings.HasSuffix(strings.TrimSuffix(u.Path, "/"), "/v1/traces"):
		report("trace-endpoint", quote(t.TraceEndpoint)+" ends with /v1/traces, which is added")
	}
}

// Ratio is a part of a whole, 0 to 1.
type Ratio float64

const errRatio = problem("is no ratio: want a number from 0 to 1, like 0.01")

// parseRatio reads a number, of a text or of a file.
func parseRatio(raw any) (Ratio, error) {
	var r float64
	switch raw := raw.(type) {
	case string:
		parsed, err := strconv.ParseFloat(raw, 64)
		if err != nil {
			return 0, errRatio
		}
		r = parsed
	case int64:
		r = float64(raw)
	case float64:
		r = raw
	default:
		return 0, errRatio
	}
	if !(r >= 0 && r <= 1) { // so that what is no number is none either
		return 0, errRatio
	}
	return Ratio(r), nil
}
