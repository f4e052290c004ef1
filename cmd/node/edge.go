package main

import (
	"strings"

	"github.com/rs/zerolog"

	"github.com/hoshi-ws/hoshi/internal/config"
	"github.com/hoshi-ws/hoshi/pkg/bus"
	"github.com/hoshi-ws/hoshi/pkg/codec"
	"github.com/hoshi-ws/hoshi/pkg/edge"
)

// edgeOptions says to the node what the options, which have been checked, say.
func edgeOptions(o *config.Node, b bus.Options, log *zerolog.Logger) edge.Options {
	format, zipped := formatOf(o.Format)
	return edge.Options{
		Listen:           string(o.Listen),
		AdminListen:      string(o.AdminListen),
		MetricsListen:    string(o.MetricsListen),
		Bus:              b,
		Echo:             o.Echo,
		InsecureUIDParam: o.InsecureUIDParam,
		MaxMessage:       int(o.MaxMessage),
		QueueMessages:    o.QueueMessages,
		QueueBytes:       int(o.QueueBytes),
		SendBuffer:       int(orNone(o.SendBuffer)),
		Deflate:          o.Deflate,
		DeflateMin:       int(o.DeflateMin),
		WSEcho:           o.WSEcho,
		Overflow:         edge.Overflow(o.Overflow),
		Limits:           limitOptions(&o.Limits),
		Access:           accessOptions(&o.Access),
		Callouts:         calloutOptions(&o.Callouts),
		TLS:              tlsOptions(&o.Transport),
		ProxyFrom:        config.Proxies(o.ProxyFrom),
		ForwardedFrom:    config.Proxies(o.ForwardedFrom),
		Channels: edge.ChannelOptions{
			MustExist:               !o.ChannelAutoCreate,
			Patterns:                o.ChannelPatterns,
			Overflow:                channelOverflow(o.ChannelOverflow),
			Batch:                   channelBatch(o.ChannelBatch),
			MaxSubscriptionsPerConn: o.MaxSubscriptions,
			MaxSubscribers:          o.MaxSubscribers,
		},
		WrapRecv: o.WrapRecv,
		Dialect:  dialectOf(o.Dialect),
		Format:   format,
		Gzip:     zipped,
		Sente: edge.SenteOptions{
			WSKalive:      o.SenteWSKalive,
			WSPingTimeout: o.SenteWSPingTimeout,
			SendBufWS:     orNone(o.SenteSendBufWS),
			SendBufAjax:   orNone(o.SenteSendBufAjax),
			LPTimeout:     o.SenteLPTimeout,
			ReconnectWS:   o.SenteReconnectWS,
			ReconnectAjax: o.SenteReconnectAjax,
			MaxPolls:      o.SenteMaxPolls,
		},
		PingInterval:     o.PingInterval,
		IdleTimeout:      o.IdleTimeout,
		StallTimeout:     o.StallTimeout,
		HandshakeTimeout: o.HandshakeTimeout,
		CloseTimeout:     o.CloseTimeout,
		RequestTimeout:   o.RequestTimeout,
		BarrierTimeout:   o.BarrierTimeout,
		Linger:           o.Linger,
		DrainTime:        orNone(o.DrainTime),
		DrainRate:        o.DrainRate,
		ReadyGrace:       orNone(o.ReadyGrace),
		MaxAsks:          o.MaxAsks,
		MaxAsked:         o.MaxAsked,
		MaxRevocations:   o.MaxRevocations,
		Loops:            o.Loops,
		Portable:         o.Poller == "portable",
		Version:          versionText(),
		Commit:           commitText(),
		Logger:           log,
	}
}

// formatOf returns the format of a name, and whether it has the gzip wrapper.
func formatOf(name string) (f codec.Format, zipped bool) {
	name, zipped = strings.CutSuffix(name, "-gzip")
	f, _ = codec.ParseFormat(name)
	return f, zipped
}

// dialectOf returns the dialect of all clients, empty where each tells its own.
func dialectOf(name string) string {
	if name == "auto" {
		return ""
	}
	return name
}

// orNone returns a time or size of pkg/edge, where 0 is the default and a negative
// one is none at all.
func orNone[T ~int64](d T) T {
	if d == 0 {
		return -1
	}
	return d
}

func channelOverflow(rules []config.Rule) []edge.ChannelOverflow {
	var out []edge.ChannelOverflow
	for _, r := range rules {
		out = append(out, edge.ChannelOverflow{Pattern: r.Pattern, Overflow: edge.Overflow(r.Policy)})
	}
	return out
}

func channelBatch(rules []config.Batch) []edge.ChannelBatch {
	var out []edge.ChannelBatch
	for _, r := range rules {
		out = append(out, edge.ChannelBatch{Pattern: r.Pattern, Delay: r.Delay})
	}
	return out
}
