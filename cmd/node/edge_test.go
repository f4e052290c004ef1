package main

import (
	"crypto/tls"
	"io"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/hoshi-ws/hoshi/internal/certs/certtest"
	"github.com/hoshi-ws/hoshi/internal/config"
	"github.com/hoshi-ws/hoshi/internal/id"
	"github.com/hoshi-ws/hoshi/pkg/bus"
	"github.com/hoshi-ws/hoshi/pkg/codec"
	"github.com/hoshi-ws/hoshi/pkg/edge"
)

// optionsOf returns what a node is told by these arguments.
func optionsOf(t *testing.T, args ...string) edge.Options {
	t.Helper()
	var c cli
	_, err := config.Parse(&c, config.Invocation{Args: args, Stdout: io.Discard, Exit: func(int) { t.Error("exit was called") }})
	if err != nil {
		t.Fatal(err)
	}
	nop := zerolog.Nop()
	return edgeOptions(&c.Run.Node, bus.Options{}, &nop)
}

// TestEdgeOptions holds that each option arrives where it belongs.
func TestEdgeOptions(t *testing.T) {
	commit = "0123abcd4567" // as the linker would
	t.Cleanup(func() { commit = "" })
	ca := certtest.New(t, "ca")
	dir := t.TempDir()
	cert, key := ca.Issue(t, "node", nil).Write(t, dir, "node")
	authorities := certtest.Write(t, dir, "ca.pem", ca.PEM)
	got := optionsOf(t, "--listen=:1", "--admin-listen=:2", "--metrics-listen=:3", "--echo", "--insecure-uid-param=who",
		"--max-connections=101", "--max-connections-per-address=92", "--max-connections-per-user=93", "--max-handshake-rate=104",
		"--max-handshake-rate-per-address=95", "--max-heads=106", "--max-heads-per-address=97", "--max-event-rate=108", "--max-byte-rate=109",
		"--max-callbacks=1", "--max-nesting=11", "--max-fragments=12", "--max-message=2KiB", "--queue-messages=3", "--queue-bytes=4KiB", "--send-buffer=5KiB", "--deflate", "--deflate-min=2KiB", "--ws-echo=/e", "--overflow=drop-newest",
		"--channel-auto-create=false", "--channel-patterns=a,b*", "--channel-overflow=a=latest-only", "--channel-batch=a=50ms,b=0",
		"--max-subscriptions=5", "--max-subscribers=6", "--wrap-recv", "--dialect=sente", "--format=transit-verbose-gzip",
		"--insecure-anywhere", "--token-secret="+secretOf('a'), "--token-issuer=one", "--token-audience=x,y", "--token-algorithm=HS384",
		`--token-issuers=[{:name "two" :audiences ["z"] :jwks "https://id.example.com/jwks.json" :algorithm "PS256"}]`,
		"--token-cookie=session", "--token-param=token", "--token-claims=email", "--token-leeway=26s", "--token-required",
		"--origins=https://example.com", "--csrf-secret="+secretOf('b'), "--csrf-cookie=sid",
		`--channel-rules=[{:channels "inbox/{uid}" :subscribe :user :publish [:authenticated {:claim "role" :value "admin"}]}]`,
		`--event-rules=[{:events "public/*" :send :anyone} {:events "*" :send :nobody}]`,
		"--sente-ws-kalive=7s", "--sente-ws-ping-timeout=8s", "--sente-send-buf-ws=9ms", "--sente-send-buf-ajax=10ms",
		"--sente-lp-timeout=11s", "--sente-reconnect-ws=12s", "--sente-reconnect-ajax=13s", "--sente-max-polls=14",
		"--ping-interval=15s", "--idle-timeout=16s", "--stall-timeout=17s", "--handshake-timeout=18s", "--close-timeout=19s",
		"--request-timeout=20s", "--barrier-timeout=21s", "--linger=22s", "--ready-grace=27s", "--drain-time=31s", "--drain-rate=32", "--max-asks=23", "--max-asked=24", "--max-revocations=28", "--loops=25", "--poller=portable",
		"--callout-connect", "--callout-subscribe=c/*", "--callout-publish=d,:e", "--callout-timeout=28ms", "--callout-cache=29s", "--callout-headers=Cookie",
		"--callout-format=json",
		"--tls-cert="+cert, "--tls-key="+key, "--tls-min=1.3", "--tls-client-ca="+authorities, "--tls-client-uid=email",
		"--proxy-from=10.0.0.7", "--forwarded-from=10.1.0.0/16")
	want := edge.Options{
		Callouts: edge.CalloutOptions{
			Connect: true, Subscribe: []string{"c/*"}, Publish: []string{"d", ":e"}, Timeout: 28 * time.Millisecond, Cache: 29 * time.Second,
			Headers: []string{"Cookie"}, Format: codec.JSON,
		},
		TLS: edge.TLSOptions{
			CertFile: cert, KeyFile: key, MinVersion: tls.VersionTLS13, ClientCAFile: authorities, RequireClient: true, ClientUID: "email",
		},
		Limits: edge.LimitOptions{
			MaxConnections: 101, MaxConnectionsPerAddress: 92, MaxConnectionsPerUser: 93, MaxHandshakeRate: 104,
			MaxHandshakeRatePerAddress: 95, MaxHeads: 106, MaxHeadsPerAddress: 97, MaxEventRate: 108, MaxByteRate: 109, MaxCallbacks: 1, MaxNesting: 11, MaxFragments: 12,
		},
		ProxyFrom: []netip.Prefix{netip.MustParsePrefix("10.0.0.7/32")}, ForwardedFrom: []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16")},
		Listen: ":1", AdminListen: ":2", MetricsListen: ":3", Echo: true, InsecureUIDParam: "who",
		MaxMessage: 2048, QueueMessages: 3, QueueBytes: 4096, SendBuffer: 5120, Overflow: edge.DropNewest,
		Deflate: true, DeflateMin: 2048, WSEcho: "/e",
		Channels: edge.ChannelOptions{
			MustExist: true, Patterns: []string{"a", "b*"},
			Overflow:                []edge.ChannelOverflow{{Pattern: "a", Overflow: edge.LatestOnly}},
			Batch:                   []edge.ChannelBatch{{Pattern: "a", Delay: 50 * time.Millisecond}, {Pattern: "b"}},
			MaxSubscriptionsPerConn: 5, MaxSubscribers: 6,
		},
		Access: edge.AccessOptions{
			Issuers: []edge.Issuer{
				{Name: "one", Audiences: []string{"x", "y"}, Keys: []edge.KeySource{{Secret: []byte(secretOf('a')), Algorithm: "HS384"}}},
				{Name: "two", Audiences: []string{"z"}, Keys: []edge.KeySource{{URL: "https://id.example.com/jwks.json", Algorithm: "PS256"}}},
			},
			TokenCookie: "session", TokenParam: "token", RequiredClaims: []string{"email"}, Leeway: 26 * time.Second, TokenRequired: true,
			Origins: []string{"https://example.com"}, CSRFSecret: []byte(secretOf('b')), CSRFCookie: "sid",
			Channels: []edge.Rule{{
				Pattern: "inbox/{uid}", Subscribe: []edge.Who{{Kind: edge.User}},
				Publish: []edge.Who{{Kind: edge.Authenticated}, {Kind: edge.Claim, Name: "role", Value: "admin"}},
			}},
			Events: []edge.Rule{{Pattern: "public/*", Publish: []edge.Who{{Kind: edge.Anyone}}}, {Pattern: "*"}},
		},
		WrapRecv: true, Dialect: "sente", Format: codec.TransitVerbose, Gzip: true,
		Sente: edge.SenteOptions{
			WSKalive: 7 * time.Second, WSPingTimeout: 8 * time.Second, SendBufWS: 9 * time.Millisecond, SendBufAjax: 10 * time.Millisecond,
			LPTimeout: 11 * time.Second, ReconnectWS: 12 * time.Second, ReconnectAjax: 13 * time.Second, MaxPolls: 14,
		},
		PingInterval: 15 * time.Second, IdleTimeout: 16 * time.Second, StallTimeout: 17 * time.Second,
		HandshakeTimeout: 18 * time.Second, CloseTimeout: 19 * time.Second, RequestTimeout: 20 * time.Second,
		BarrierTimeout: 21 * time.Second, Linger: 22 * time.Second, ReadyGrace: 27 * time.Second, DrainTime: 31 * time.Second, DrainRate: 32,
		MaxAsks: 23, MaxAsked: 24, MaxRevocations: 28, Loops: 25, Portable: true, Version: versionText(), Commit: commit,
	}
	// Set by whoever starts the node, and all others are set above: who adds one
	// adds it here.
	left := map[string]bool{"Bus": true, "ID": true, "Logger": true, "AdminRoutes": true, "OnDrain": true, "OnLogLevel": true, "Tracer": true, "TraceClients": true}
	got.Bus, got.Logger = bus.Options{}, nil
	if !reflect.DeepEqual(got, want) {
		t.Errorf("\n got %+v\nwant %+v", got, want)
	}
	v := reflect.ValueOf(got)
	for i := range v.NumField() {
		if f := v.Type().Field(i); f.IsExported() && v.Field(i).IsZero() != left[f.Name] {
			t.Errorf("no option sets %s", f.Name)
		}
	}
	for _, part := range []any{got.Sente, got.Limits, got.Access, got.Callouts, got.TLS} {
		s := reflect.ValueOf(part)
		for i := range s.NumField() {
			if s.Field(i).IsZero() {
				t.Errorf("no option sets %s.%s", s.Type(), s.Type().Field(i).Name)
			}
		}
	}
}

// secretOf returns a secret long enough for every algorithm.
func secretOf(c byte) string { return strings.Repeat(string(c), 64) }

// TestEdgeDefaults holds that the options and the package agree on what is meant
// where nothing is said, and that 0 is no gathering.
func TestEdgeDefaults(t *testing.T) {
	got := optionsOf(t)
	want := edge.Options{
		Listen: edge.DefaultListen, AdminListen: edge.DefaultAdminListen,
		MaxMessage: edge.DefaultMaxMessage, QueueMessages: edge.DefaultQueueMessages, QueueBytes: edge.DefaultQueueBytes,
		SendBuffer: edge.DefaultSendBuffer,
		DeflateMin: edge.DefaultDeflateMin,
		Overflow:   edge.Disconnect,
		Limits:     edge.LimitOptions{MaxEventRate: edge.DefaultMaxEventRate, MaxByteRate: edge.DefaultMaxByteRate, MaxNesting: edge.DefaultMaxNesting},
		Access:     edge.AccessOptions{Leeway: 30 * time.Second},
		Channels:   edge.ChannelOptions{MaxSubscriptionsPerConn: edge.DefaultMaxSubscriptionsPerConn},
		Sente: edge.SenteOptions{
			WSKalive: edge.DefaultSenteWSKalive, WSPingTimeout: edge.DefaultSenteWSPingTimeout,
			SendBufWS: edge.DefaultSenteSendBufWS, SendBufAjax: edge.DefaultSenteSendBufAjax,
			LPTimeout: edge.DefaultSenteLPTimeout, ReconnectWS: edge.DefaultSenteReconnectWS,
			ReconnectAjax: edge.DefaultSenteReconnectAjax, MaxPolls: edge.DefaultSenteMaxPolls,
		},
		PingInterval: edge.DefaultPingInterval, IdleTimeout: edge.DefaultIdleTimeout, StallTimeout: edge.DefaultStallTimeout,
		HandshakeTimeout: edge.DefaultHandshakeTimeout, CloseTimeout: edge.DefaultCloseTimeout,
		RequestTimeout: bus.DefaultRequestTimeout, BarrierTimeout: bus.DefaultBarrierTimeout, Linger: bus.DefaultLinger, ReadyGrace: edge.DefaultReadyGrace,
		DrainTime: edge.DefaultDrainTime, DrainRate: edge.DefaultDrainRate,
		MaxAsks: edge.DefaultMaxAsks, MaxAsked: edge.DefaultMaxAsked, MaxRevocations: edge.DefaultMaxRevocations,
		Callouts: edge.CalloutOptions{Timeout: edge.DefaultCalloutTimeout, Cache: edge.DefaultCalloutCache},
		ID:       id.Node{}, Version: versionText(),
	}
	got.Logger = nil
	if !reflect.DeepEqual(got, want) {
		t.Errorf("\n got %+v\nwant %+v", got, want)
	}
	if o := optionsOf(t, "--ws-echo=/echo", "--max-message=63MiB"); o.MaxMessage != 63<<20 {
		t.Errorf("with --ws-echo a message may have %d bytes", o.MaxMessage)
	}
	if o := optionsOf(t, "--token-leeway=0s"); o.Access.Leeway >= 0 {
		t.Errorf("no leeway becomes %v", o.Access.Leeway)
	}
	if o := optionsOf(t, "--send-buffer=0"); o.SendBuffer >= 0 {
		t.Errorf("no send buffer of ours becomes %d", o.SendBuffer)
	}
	if o := optionsOf(t, "--max-event-rate=0", "--max-byte-rate=0"); o.Limits.MaxEventRate >= 0 || o.Limits.MaxByteRate >= 0 {
		t.Errorf("no rates become %+v", o.Limits)
	}
	at := optionsOf(t, "--sente-send-buf-ws=0", "--sente-send-buf-ajax=0s").Sente
	if at.SendBufWS >= 0 || at.SendBufAjax >= 0 {
		t.Errorf("0 becomes %v and %v, which are no gathering only below 0", at.SendBufWS, at.SendBufAjax)
	}
}

// TestEdgeFormats holds that each word of --format is a format.
func TestEdgeFormats(t *testing.T) {
	for f := range codec.Format(codec.Formats) {
		for _, suffix := range []string{"", "-gzip"} {
			o := optionsOf(t, "--format="+f.String()+suffix)
			if o.Format != f || o.Gzip != (suffix != "") {
				t.Errorf("%s%s becomes %s, gzip %v", f, suffix, o.Format, o.Gzip)
			}
		}
	}
}
