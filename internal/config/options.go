package config

import "time"

// Tags beyond kong's own, read by this package:
//
//	min, max  bounds of a number, a duration or a size, in the option's own notation
//	step      what a duration is a multiple of
//	oneof     the allowed words, separated by commas
//	secret    the value is never quoted in a fault, and HOSHI_..._FILE may name a file that holds it
//	more      what --help leaves out of the help, and --help-all and docs/config.md have
//	tune      left out of --help, shown by --help-all and in docs/config.md
//	meta      about one call (help, --edn): neither variable nor file key
//	alone     of a command: it looks at its own options, and at nothing else

// Shared is what every command understands.
type Shared struct {
	Config string `name:"config" placeholder:"FILE" help:"Read options from an EDN file, like {:echo true}." group:"General"`

	NATSURL      []string `name:"nats-url" placeholder:"URL,..." help:"Use this NATS. Without it a node embeds one, and commands dial nats://127.0.0.1:4222." group:"NATS"`
	NATSCreds    string   `name:"nats-creds" placeholder:"FILE" help:"Credentials file (JWT and seed) for --nats-url." group:"NATS" tune:""`
	NATSUser     string   `name:"nats-user" placeholder:"NAME" help:"User for NATS. An embedded NATS asks its clients for it." group:"NATS" tune:""`
	NATSPassword string   `name:"nats-password" placeholder:"SECRET" help:"Password of --nats-user. Better given as a variable or in the file: flags show in ps." group:"NATS" secret:"" tune:""`
	NATSToken    string   `name:"nats-token" placeholder:"SECRET" help:"Token for NATS, instead of a user. An embedded NATS asks its clients for it. Better given as a variable or in the file: flags show in ps." group:"NATS" secret:"" tune:""`
	NATSNKey     string   `name:"nats-nkey" placeholder:"FILE" help:"File with the nkey seed for --nats-url." group:"NATS" tune:""`
	NATSTLSCA    string   `name:"nats-tls-ca" placeholder:"FILE" help:"PEM file of the authorities that the NATS servers are checked against." group:"NATS" tune:""`
	NATSTLSCert  string   `name:"nats-tls-cert" placeholder:"FILE" help:"PEM file of the client certificate shown to NATS." group:"NATS" tune:""`
	NATSTLSKey   string   `name:"nats-tls-key" placeholder:"FILE" help:"PEM file of its key." group:"NATS" tune:""`
	Prefix       string   `name:"prefix" default:"hoshi" placeholder:"WORD" help:"First level of every subject. Nodes and backends must agree on it." group:"NATS" tune:""`
}

// Admin is what commands understand that speak to the node of this machine, and
// that node.
type Admin struct {
	AdminListen Addr `name:"admin-listen" default:"127.0.0.1:8081" placeholder:"ADDR" help:"Statistics, metrics, profiling, control." more:"Keep it private." group:"Listeners"`
}

// Node is what only a running node understands.
type Node struct {
	Dev              bool   `name:"dev" help:"For trying out: --echo, --insecure-uid-param uid, --origins *, readable logs." group:"Development"`
	Echo             bool   `name:"echo" help:"Answer clients' events, as a demo backend." more:"Not beside a real one." group:"Development"`
	InsecureUIDParam string `name:"insecure-uid-param" placeholder:"NAME" help:"Believe the user id in this query parameter: anybody is anybody." more:"Never in production: beyond loopback only with --insecure-anywhere." group:"Development"`
	InsecureAnywhere bool   `name:"insecure-anywhere" help:"Believe it on a --listen that others reach too." group:"Development" tune:""`
	WSEcho           string `name:"ws-echo" placeholder:"PATH" help:"Send WebSocket messages on this path, like /echo, back as they come." more:"For measurements and conformance suites: no dialect and no NATS; origins and tokens count as elsewhere. Messages of up to --max-message, which may then be more than NATS carries." group:"Development" tune:""`

	Listen Addr `name:"listen" default:"127.0.0.1:8080" placeholder:"ADDR" help:"WebSocket clients." group:"Listeners"`
	Admin
	MetricsListen Addr `name:"metrics-listen" placeholder:"ADDR" help:"GET /metrics, /health and /health/ready alone, for who may look and not touch." more:"What Prometheus and probes need, so that --admin-listen can stay on loopback. Empty is none." group:"Listeners" tune:""`
	NATSListen    Addr `name:"nats-listen" default:"127.0.0.1:4222" placeholder:"ADDR" help:"Backends: the embedded NATS." group:"Listeners"`

	NATSClusterListen   Addr     `name:"nats-cluster-listen" placeholder:"ADDR" help:"Embedded NATS servers of other nodes." more:"Beyond loopback only with --nats-cluster-user and --nats-cluster-password." group:"Cluster"`
	NATSRoutes          []string `name:"nats-routes" placeholder:"HOST:PORT,..." help:"Cluster listeners of other nodes." more:"Beyond loopback only with credentials." group:"Cluster"`
	NATSClusterUser     string   `name:"nats-cluster-user" placeholder:"NAME" help:"User that the cluster listener asks for and the routes give." group:"Cluster" tune:""`
	NATSClusterPassword string   `name:"nats-cluster-password" placeholder:"SECRET" help:"Password of --nats-cluster-user. Better given as a variable or in the file: flags show in ps." group:"Cluster" secret:"" tune:""`

	MaxMessage       Size          `name:"max-message" default:"1MiB" min:"1KiB" max:"63MiB" placeholder:"SIZE" help:"Largest message from a client; beyond it the connection is closed with 1009. Lowered to what NATS carries." group:"Connections" tune:""`
	QueueMessages    int           `name:"queue-messages" default:"1000" min:"1" max:"1000000" placeholder:"N" help:"Frames that may wait for one slow client; --overflow says what follows." group:"Connections" tune:""`
	QueueBytes       Size          `name:"queue-bytes" default:"2MiB" min:"1KiB" max:"1GiB" placeholder:"SIZE" help:"Bytes that may wait for one slow client. One frame always fits an empty queue." group:"Connections" tune:""`
	SendBuffer       Size          `name:"send-buffer" default:"128KiB" min:"0" max:"1GiB" placeholder:"SIZE" help:"Bytes of one slow client that the system may hold beside --queue-bytes; 0 leaves it to the system, which takes 4 MiB." more:"What is on its way to a client does not count, so nobody is slower for it. What the system holds is memory of the node's container, and no policy of --overflow can take it back. Linux only." group:"Connections" tune:""`
	Deflate          bool          `name:"deflate" help:"Compress messages for clients that offer permessage-deflate." more:"Without context takeover, so that a message is compressed once for all who take it so. Not for those that use the gzip wrapper." group:"Connections" tune:""`
	DeflateMin       Size          `name:"deflate-min" default:"1KiB" min:"1" max:"1GiB" placeholder:"SIZE" help:"Smallest message that is worth it." group:"Connections" tune:""`
	Overflow         string        `name:"overflow" default:"disconnect" oneof:"disconnect,drop-oldest,drop-newest,latest-only" placeholder:"POLICY" help:"What becomes of a message that finds no room: disconnect (1013), drop-oldest, drop-newest or latest-only." more:"For pushes, and for channels without a rule in --channel-overflow. Drops are counted, and the client is told. latest-only keeps the newest message of each channel; for pushes it is drop-oldest. Answers are never dropped." group:"Connections" tune:""`
	PingInterval     time.Duration `name:"ping-interval" default:"30s" min:"100ms" max:"1h" placeholder:"TIME" help:"How often the server pings a client." group:"Connections" tune:""`
	IdleTimeout      time.Duration `name:"idle-timeout" default:"60s" min:"200ms" max:"24h" placeholder:"TIME" help:"Silence after which a client is taken for dead. Must exceed --ping-interval." group:"Connections" tune:""`
	StallTimeout     time.Duration `name:"stall-timeout" default:"30s" min:"100ms" max:"24h" placeholder:"TIME" help:"Time in which a slow client must take something of what waits for it, or it is closed with 1013." more:"Whatever the policy, and though it sends." group:"Connections" tune:""`
	HandshakeTimeout time.Duration `name:"handshake-timeout" default:"10s" min:"100ms" max:"10m" placeholder:"TIME" help:"Time from accept to a complete request." group:"Connections" tune:""`
	CloseTimeout     time.Duration `name:"close-timeout" default:"5s" min:"10ms" max:"10m" placeholder:"TIME" help:"Time for a closing handshake before the connection is reset." group:"Connections" tune:""`
	Dialect          string        `name:"dialect" default:"auto" oneof:"auto,sente,sente-lite" placeholder:"DIALECT" help:"What clients speak: auto, sente or sente-lite." more:"With auto each request tells: clients of Sente connect to /chsk, or send a client-id." group:"Connections" tune:""`
	Format           string        `name:"format" default:"edn" oneof:"edn,json,transit,transit-verbose,msgpack,edn-gzip,json-gzip,transit-gzip,transit-verbose-gzip,msgpack-gzip" placeholder:"FORMAT" help:"Format of clients that name none: edn, json, transit, transit-verbose or msgpack, each also with -gzip behind it." more:"A client names one in the query, format=json, or by a subprotocol, hoshi.json. -gzip is the wrapper of Sente's gzip packer." group:"Connections" tune:""`
	WrapRecv         bool          `name:"wrap-recv" help:"Send every event but :chsk/... as [:chsk/recv [id data]], for clients with wrap-recv-evs?." group:"Connections" tune:""`

	ChannelAutoCreate bool     `name:"channel-auto-create" default:"true" help:"A subscribe creates the channel. When false, only channels of --channel-patterns exist." group:"Channels" tune:""`
	ChannelPatterns   []string `name:"channel-patterns" placeholder:"PATTERN,..." help:"Channels that exist when --channel-auto-create is false; * stands for any run of characters." group:"Channels" tune:""`
	ChannelOverflow   []Rule   `name:"channel-overflow" placeholder:"PATTERN=POLICY,..." help:"The --overflow of the channels that match a pattern; the first that matches counts." more:"In the file [[\"price/*\" :latest-only] [\"chat/*\" :drop-oldest]]." group:"Channels" tune:""`
	ChannelBatch      []Batch  `name:"channel-batch" placeholder:"PATTERN=TIME,..." help:"How long messages of the channels that match a pattern may wait for others, to leave together; the first that matches counts." more:"At most 1m, in whole milliseconds; 0 is at once, as for channels without a rule. They wait no longer when 16 messages or 16KiB are together for a connection. In the file [[\"price/*\" \"50ms\"]]." group:"Channels" tune:""`
	MaxSubscriptions  int      `name:"max-subscriptions" default:"100" min:"1" max:"32768" placeholder:"N" help:"Channels one connection may be subscribed to." group:"Channels" tune:""`
	MaxSubscribers    int      `name:"max-subscribers" default:"0" min:"0" max:"100000000" placeholder:"N" help:"Subscribers of one channel on this node; 0 is no limit." group:"Channels" tune:""`

	RequestTimeout time.Duration `name:"request-timeout" default:"15s" min:"10ms" max:"1h" placeholder:"TIME" help:"Time a backend has to answer an event before the client hears :chsk/timeout." group:"Bus" tune:""`
	Linger         time.Duration `name:"linger" default:"5s" min:"1ms" max:"1h" placeholder:"TIME" help:"How long an interest on NATS outlives its last local subscriber." group:"Bus" tune:""`
	BarrierTimeout time.Duration `name:"barrier-timeout" default:"1s" min:"10ms" max:"1m" placeholder:"TIME" help:"How long :subscribed waits for a NATS server that stays silent." group:"Bus" tune:""`
	NATSWait       time.Duration `name:"nats-wait" default:"0s" min:"0s" max:"24h" placeholder:"TIME" help:"How long a node that starts waits for the NATS of --nats-url; 0 is as long as it takes." more:"It says 503 in /health/ready and to clients meanwhile, and 200 in /health. After that time it ends with exit code 2, and at once where waiting mends nothing, such as refused credentials." group:"Bus" tune:""`
	ReadyGrace     time.Duration `name:"ready-grace" default:"5s" min:"0s" max:"1h" placeholder:"TIME" help:"How long NATS may be away before /health/ready says 503." more:"Clients stay connected, and new ones are refused meanwhile. It says 200 again as soon as NATS is back." group:"Bus" tune:""`

	MaxAsks        int `name:"max-asks" default:"1024" min:"1" max:"65536" placeholder:"N" help:"Asks of backends that may wait for clients' answers; more are refused with :too-many-asks." group:"Bus" tune:""`
	MaxRevocations int `name:"max-revocations" default:"100000" min:"1" max:"10000000" placeholder:"N" help:"Revocations that this node remembers, each until its time is over; more are refused with :too-many-revocations." group:"Bus" tune:""`
	MaxAsked       int `name:"max-asked" default:"262144" min:"1" max:"16777216" placeholder:"N" help:"Connections that all of these may have asked together." group:"Bus" tune:""`

	SenteWSKalive      time.Duration `name:"sente-ws-kalive" default:"25s" min:"200ms" max:"1h" placeholder:"TIME" help:"Half of this without a word from a client of Sente brings a ping." more:"Sente's ws-kalive-ms. --ping-interval is for other clients." group:"Sente" tune:""`
	SenteWSPingTimeout time.Duration `name:"sente-ws-ping-timeout" default:"10s" min:"100ms" max:"1h" placeholder:"TIME" help:"Silence after that ping for which the client is taken for dead." more:"Sente's ws-ping-timeout-ms. --idle-timeout is for other clients." group:"Sente" tune:""`
	SenteSendBufWS     time.Duration `name:"sente-send-buf-ws" default:"30ms" min:"0s" max:"1m" step:"1ms" placeholder:"TIME" help:"How long a push to a WebSocket may wait for others, to leave together; 0 is at once." more:"Sente's send-buf-ms-ws. They wait no longer when 16 pushes or 16KiB are together." group:"Sente" tune:""`
	SenteSendBufAjax   time.Duration `name:"sente-send-buf-ajax" default:"100ms" min:"0s" max:"1m" step:"1ms" placeholder:"TIME" help:"The same for a client that polls." more:"Sente's send-buf-ms-ajax." group:"Sente" tune:""`
	SenteLPTimeout     time.Duration `name:"sente-lp-timeout" default:"20s" min:"100ms" max:"10m" placeholder:"TIME" help:"How long a poll waits for a push." more:"Sente's lp-timeout-ms. Keep it below the timeouts of the proxies in front of the node." group:"Sente" tune:""`
	SenteReconnectWS   time.Duration `name:"sente-reconnect-ws" default:"2500ms" min:"1ms" max:"10m" placeholder:"TIME" help:"How long pushes wait for a client whose WebSocket has closed." more:"Sente's ms-allow-reconnect-before-close-ws. As much waits as --queue-messages and --queue-bytes say." group:"Sente" tune:""`
	SenteReconnectAjax time.Duration `name:"sente-reconnect-ajax" default:"5s" min:"1ms" max:"10m" placeholder:"TIME" help:"How long they wait between two polls of a client." more:"Sente's ms-allow-reconnect-before-close-ajax." group:"Sente" tune:""`
	SenteMaxPolls      int           `name:"sente-max-polls" default:"10000" min:"1" max:"1048576" placeholder:"N" help:"Polls that may wait on this node, each at some 20KiB; more are refused with 503." group:"Sente" tune:""`

	Access
	Callouts
	Limits
	Transport
	Tracing

	DrainTime time.Duration `name:"drain-time" default:"30s" min:"0s" max:"1h" placeholder:"TIME" help:"Time in which SIGTERM and hoshi drain close all connections, evenly; 0 is at once." more:"Ctrl-C, or a second SIGTERM, closes them at once. The node ends up to 8s later, so who runs it must wait for more than both together before it kills it." group:"Stopping"`
	DrainRate int           `name:"drain-rate" default:"500" min:"1" max:"1000000" placeholder:"N" help:"Connections that may be closed in a second. Where --drain-time is too short for that the time counts." more:"The log then says how long it would take." group:"Stopping" tune:""`

	LogFormat string `name:"log-format" default:"auto" oneof:"auto,console,json" placeholder:"FORMAT" help:"auto, console or json." more:"auto is console on a terminal and under --dev, json elsewhere." group:"General"`
	LogLevel  string `name:"log-level" default:"info" oneof:"debug,info,warn,error" placeholder:"LEVEL" help:"debug, info, warn or error." more:"hoshi log-level changes it while the node runs." group:"General"`

	LogFile     string `name:"log-file" placeholder:"PATH" help:"Write the log to this file, not to standard error." more:"As JSON unless --log-format is console. Errors of the start are on standard error too." group:"General" tune:""`
	LogFileSize Size   `name:"log-file-size" default:"100MiB" min:"1MiB" max:"100GiB" step:"1MiB" placeholder:"SIZE" help:"Size at which the file is renamed, and a new one begun." group:"General" tune:""`
	LogFileKeep int    `name:"log-file-keep" default:"5" min:"1" max:"1000" placeholder:"N" help:"Renamed files that are kept; older ones are removed." group:"General" tune:""`

	Loops  int    `name:"loops" default:"0" min:"0" max:"1024" placeholder:"N" help:"Event loops; 0 is one for each core." group:"Machine" tune:""`
	Poller string `name:"poller" default:"auto" oneof:"auto,portable" placeholder:"KIND" help:"auto (epoll on Linux) or portable (a goroutine for each connection)." group:"Machine" tune:""`
}

// ApplyDev carries out what --dev stands for, and returns the options that it has
// changed. An explicit parameter name, and explicit origins, are kept.
func (n *Node) ApplyDev() (changed []string) {
	if !n.Dev {
		return nil
	}
	if !n.Echo {
		n.Echo = true
		changed = append(changed, "echo")
	}
	if n.InsecureUIDParam == "" {
		n.InsecureUIDParam = "uid"
		changed = append(changed, "insecure-uid-param")
	}
	if len(n.Origins) == 0 {
		n.Origins = []string{"*"}
		changed = append(changed, "origins")
	}
	return changed
}

// Embedded reports whether the node is to run its own NATS server.
func (n *Node) Embedded(s *Shared) bool { return len(s.NATSURL) == 0 }
