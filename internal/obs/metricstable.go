package obs

// kind is a type of metric.
type kind string

const (
	counter kind = "counter"
	gauge   kind = "gauge"
	histo   kind = "histogram"
)

// metric is one family, and where its values are. Fixed.
type metric struct {
	name   string
	kind   kind
	unit   string
	labels []string
	help   string
	from   []source

	omitZero bool // 0 means that there is none
}

// source is a field of observed: a number, or numbers by key, which is a label.
type source struct {
	stat    string   // its path
	labels  []string // values of the first labels
	keys    []string // that are there from the start, so that rates see the first count
	without []string // keys that another source has
	split   string   // what is between the two labels that a key holds
	scale   float64  // 0 is 1
}

// one is a number without labels.
func one(stat string) []source { return []source{{stat: stat}} }

// by are numbers by key.
func by(stat string, keys ...string) []source { return []source{{stat: stat, keys: keys}} }

// millis are milliseconds, told in seconds.
func millis(stat string) []source { return []source{{stat: stat, scale: 1e-3}} }

var (
	reason  = []string{"reason"}
	outcome = []string{"outcome"}
	voice   = []string{"dialect", "format"}
)

// infoMetric is made once.
var infoMetric = metric{
	name: "hoshi_build_info", kind: gauge, labels: []string{"version", "commit", "goversion", "node"},
	help: "1; the labels tell what was built, and the node-id, as hoshi drain takes it.",
}

// metricTable are the metrics of a node, in the order of the documentation.
var metricTable = []metric{
	// The node.
	{name: "hoshi_ready", kind: gauge, help: "1 while the node takes handshakes: NATS is there, and it is neither draining nor stopping.", from: one("Ready")},
	{name: "hoshi_connections", kind: gauge, unit: "connections", help: "Clients that are connected, their handshake done; those that poll count as one each.", from: one("Connections")},
	{name: "hoshi_voice_connections", kind: gauge, unit: "connections", labels: voice, help: "The same by dialect and format.", from: []source{{stat: "Voices", split: "/"}}},
	{name: "hoshi_channels", kind: gauge, unit: "channels", help: "Channels with a subscriber on this node.", from: one("Channels")},
	{name: "hoshi_users", kind: gauge, unit: "users", help: "Users with a connection to this node.", from: one("Users")},
	{name: "hoshi_max_message_bytes", kind: gauge, unit: "bytes", help: "The largest message that clients may send: --max-message, or less where NATS takes less.", from: one("MaxMessage")},
	{name: "hoshi_panics_total", kind: counter, unit: "panics", labels: []string{"where"}, help: "Panics that were recovered, each of which has cost a connection, a message or a reply.", from: []source{
		{stat: "Sockets.Panics", labels: []string{"connection"}},
		{stat: "Panics", labels: []string{"poll"}},
		{stat: "Bus.Panics", labels: []string{"delivery"}},
	}},
	{name: "hoshi_certificate_expiry_timestamp_seconds", kind: gauge, unit: "seconds", help: "When the certificate of --tls-cert in use expires, in Unix time; absent without TLS.", from: one("CertificateExpires"), omitZero: true},

	// Handshakes and sockets.
	{name: "hoshi_handshakes_accepted_total", kind: counter, unit: "handshakes", help: "WebSocket handshakes that were accepted.", from: one("Sockets.Accepted")},
	{name: "hoshi_handshakes_refused_total", kind: counter, unit: "handshakes", labels: reason, help: "Requests that were refused or never came whole: handshakes, polls, and what is neither.", from: []source{
		{stat: "RefusedUpgrades"},
		{stat: "Sockets.Refused", without: []string{"handler"}, keys: []string{"full"}}, // those of the handler are the node's own
	}},
	{name: "hoshi_http_requests_total", kind: counter, unit: "requests", help: "Plain HTTP requests on the clients' listener: polls, health, the hint.", from: one("Sockets.Detached")},
	{name: "hoshi_websockets", kind: gauge, unit: "connections", help: "WebSockets that are accepted and not closed.", from: one("Sockets.Open")},
	{name: "hoshi_sockets", kind: gauge, unit: "sockets", help: "Sockets on the clients' listener, plain HTTP included.", from: one("Sockets.Sockets")},
	{name: "hoshi_handshakes_pending", kind: gauge, unit: "sockets", help: "Of these, those that have not been upgraded: their request has not come, or was refused.", from: one("Sockets.Heads")},
	{name: "hoshi_limited_connections", kind: gauge, unit: "connections", help: "What --max-connections bounds.", from: one("Sockets.Conns")},
	{name: "hoshi_max_connections", kind: gauge, unit: "connections", help: "The bound: --max-connections, or what the limit of descriptors leaves; absent where there is none.", from: one("Sockets.MaxConns"), omitZero: true},
	{name: "hoshi_limited_addresses", kind: gauge, unit: "addresses", help: "Client addresses that limits know something of.", from: one("Sockets.Addresses")},
	{name: "hoshi_limited_users", kind: gauge, unit: "users", help: "Users that have connections, where those of a user are limited.", from: one("Limits.Users")},
	{name: "hoshi_sockets_shed_total", kind: counter, unit: "sockets", labels: reason, help: "Sockets that were closed at once because a limit was reached.", from: by("Sockets.Shed", "sockets", "heads", "address-heads")},
	{name: "hoshi_accept_errors_total", kind: counter, unit: "errors", help: "Connections that the system could not hand over.", from: one("Sockets.AcceptErrors")},
	{name: "hoshi_accepts_shed_total", kind: counter, unit: "sockets", help: "Of these, those for which no descriptor was left.", from: one("Sockets.AcceptShed")},
	{name: "hoshi_closes_total", kind: counter, unit: "connections", labels: reason, help: "WebSockets that have ended, by how. overflow and stalled are slow readers.", from: by("Sockets.Closed", "overflow", "stalled", "peer", "server", "eof", "error", "idle")},
	{name: "hoshi_close_codes_total", kind: counter, unit: "connections", labels: []string{"code"}, help: "The same by close code; other is any that has no meaning for nodes.", from: by("Sockets.ClosedCodes", "1000", "1001", "1006", "1012", "1013", "4401", "4403", "4410", "other")},

	// What passes.
	{name: "hoshi_frames_received_total", kind: counter, unit: "frames", help: "WebSocket frames from clients.", from: one("Sockets.FramesIn")},
	{name: "hoshi_received_bytes_total", kind: counter, unit: "bytes", help: "Bytes from clients, requests included.", from: one("Sockets.BytesIn")},
	{name: "hoshi_frames_sent_total", kind: counter, unit: "frames", help: "Frames that were given to the system whole, HTTP responses included.", from: one("Sockets.FramesOut")},
	{name: "hoshi_sent_bytes_total", kind: counter, unit: "bytes", help: "Bytes that the system has taken.", from: one("Sockets.BytesOut")},
	{name: "hoshi_write_calls_total", kind: counter, unit: "calls", help: "Write calls that this took.", from: one("Sockets.WriteCalls")},
	{name: "hoshi_write_messages", kind: histo, unit: "messages", help: "Messages that a write call was given: how well batching works.", from: one("Sockets.WriteMessages")},
	{name: "hoshi_messages_deflated_total", kind: counter, unit: "messages", help: "Messages that were compressed, each once for all who take them so.", from: one("Sockets.Deflated")},
	{name: "hoshi_messages_inflated_total", kind: counter, unit: "messages", help: "Messages that came compressed.", from: one("Sockets.Inflated")},
	{name: "hoshi_messages_rendered_total", kind: counter, unit: "messages", labels: voice, help: "Channel messages and pushes that were made into a frame, one for each dialect and format that somebody on the node speaks.", from: []source{{stat: "Rendered", split: "/"}}},
	{name: "hoshi_conversions_total", kind: counter, unit: "payloads", labels: []string{"from", "to"}, help: "Payloads that were written in another format.", from: []source{{stat: "Conversions", split: ">"}}},
	{name: "hoshi_conversions_failed_total", kind: counter, unit: "payloads", labels: []string{"from", "to"}, help: "Payloads that cannot be said in the other format: nobody who speaks it has heard them.", from: []source{{stat: "Unconverted", split: ">"}}},
	{name: "hoshi_messages_refused_total", kind: counter, unit: "messages", labels: reason, help: "Messages of clients that were refused.", from: by("RefusedMessages")},
	{name: "hoshi_pushes_refused_total", kind: counter, unit: "messages", labels: reason, help: "Pushes of backends that were refused.", from: by("RefusedPushes")},

	// Latency and queues.
	{name: "hoshi_delivery_seconds", kind: histo, unit: "seconds", help: "From when a node has a message to when the system has taken it for a connection: the oldest of each write call. Delays that channels ask for are in it.", from: one("Sockets.DeliverySeconds")},
	{name: "hoshi_publish_to_write_seconds", kind: histo, unit: "seconds", help: "From the publish to the same moment, for each recipient of the messages that say when they were published: one in 64 of what clients publish, and what backends time. Clocks of two machines are in it.", from: one("Sockets.PublishedSeconds")},
	{name: "hoshi_clock_errors_total", kind: counter, unit: "messages", labels: []string{"kind"}, help: "Messages whose time of publish was ahead (counts as now), far (ten minutes or more ago: not measured) or malformed.", from: []source{
		{stat: "ClocksAhead", labels: []string{"ahead"}},
		{stat: "ClocksFar", labels: []string{"far"}},
		{stat: "Bus.BadTimes", labels: []string{"malformed"}},
	}},
	{name: "hoshi_loop_turn_seconds", kind: histo, unit: "seconds", help: "How long a turn of an event loop took: whoever has something to say waits for the turn that is under way.", from: one("Sockets.TurnSeconds")},
	{name: "hoshi_loop_stalled_seconds", kind: gauge, unit: "seconds", help: "Age of the longest turn of an event loop that is under way, 0 where all loops wait. A turn takes milliseconds: what grows here is a loop that hangs. Beyond 30, /health says 503.", from: millis("Sockets.StalledMS")},
	{name: "hoshi_queue_messages", kind: histo, unit: "messages", help: "Messages that waited for a connection when the loop began to write them.", from: one("Sockets.QueueMessages")},
	{name: "hoshi_queue_bytes", kind: histo, unit: "bytes", help: "The same in bytes.", from: one("Sockets.QueueBytes")},
	{name: "hoshi_deliveries_dropped_total", kind: counter, unit: "messages", labels: reason, help: "Deliveries that a policy dropped for a connection that went on: oldest, newest, or superseded by a newer one of a latest-only channel.", from: by("Sockets.Dropped", "oldest", "newest", "superseded")},
	{name: "hoshi_queue_overflows_total", kind: counter, unit: "connections", help: "Send queues that were full under disconnect.", from: one("Sockets.Overflows")},
	{name: "hoshi_messages_discarded_total", kind: counter, unit: "messages", help: "Messages that were queued for connections which ended before.", from: one("Sockets.Discarded")},
	{name: "hoshi_unsent_bytes_total", kind: counter, unit: "bytes", help: "Bytes that resets have destroyed in the system's buffers.", from: one("Sockets.Unsent")},

	// Limits.
	{name: "hoshi_throttled_connections", kind: gauge, unit: "connections", help: "Connections that are not read at the moment since they send too much.", from: one("Sockets.Throttled")},
	{name: "hoshi_throttles_total", kind: counter, unit: "events", help: "How often one was stopped.", from: one("Sockets.Throttles")},
	{name: "hoshi_throttled_seconds_total", kind: counter, unit: "seconds", help: "For how long, all together.", from: millis("Sockets.ThrottledMS")},
	{name: "hoshi_callbacks_held_total", kind: counter, unit: "events", help: "How often a client was held back that had as many callbacks waiting as it may.", from: one("Limits.CallbacksHeld")},
	{name: "hoshi_subscriptions_refused_total", kind: counter, unit: "subscribes", labels: []string{"limit"}, help: "Subscribes that were refused since the connection, or the channel, had as many as it may.", from: []source{
		{stat: "Limits.MaxSubscriptions", labels: []string{"connection"}},
		{stat: "Limits.MaxSubscribers", labels: []string{"channel"}},
	}},
	{name: "hoshi_ajax_rate_limited_total", kind: counter, unit: "requests", help: "POSTs that were refused since the client sends too fast.", from: one("Limits.AjaxRate")},

	// Clients of Sente.
	{name: "hoshi_ajax_polls", kind: gauge, unit: "requests", help: "Polls that wait.", from: one("Sente.Polling")},
	{name: "hoshi_ajax_sessions", kind: gauge, unit: "sessions", help: "Clients that poll, whose node this is.", from: one("Sente.Sessions")},
	{name: "hoshi_absent_clients", kind: gauge, unit: "sessions", help: "Clients without a socket: those that poll, and those that may come back.", from: one("Sente.Away")},
	{name: "hoshi_kept_deliveries_total", kind: counter, unit: "messages", help: "Deliveries that had to wait for their client.", from: one("Sente.Kept")},
	{name: "hoshi_recovered_deliveries_total", kind: counter, unit: "messages", labels: outcome, help: "What became of some: handed to a new session, dropped for want of room, expired with the client, or revoked with it. The others were told to the client where they waited.", from: []source{
		{stat: "Sente.Handed", labels: []string{"handed"}},
		{stat: "Sente.Dropped", labels: []string{"dropped"}},
		{stat: "Sente.Expired", labels: []string{"expired"}},
		{stat: "Admin.Dropped", labels: []string{"revoked"}},
	}},
	{name: "hoshi_sessions_replaced_total", kind: counter, unit: "sessions", help: "Sessions that a newer one of the same client has ended.", from: one("Sente.Replaced")},

	// Backends.
	{name: "hoshi_requests_total", kind: counter, unit: "requests", help: "Callbacks of clients, call-outs and questions to other nodes.", from: one("Bus.Requests")},
	{name: "hoshi_requests_pending", kind: gauge, unit: "requests", help: "Of these, those that wait.", from: one("Bus.RequestsPending")},
	{name: "hoshi_replies_total", kind: counter, unit: "requests", labels: outcome, help: "How they have ended.", from: by("Bus.Replies")},
	{name: "hoshi_replies_ignored_total", kind: counter, unit: "messages", labels: reason, help: "Replies that were not taken.", from: by("Bus.RepliesIgnored")},
	{name: "hoshi_callback_seconds", kind: histo, unit: "seconds", help: "How long a backend took to answer a client's callback.", from: one("Bus.CallbackSeconds")},
	{name: "hoshi_request_seconds", kind: histo, unit: "seconds", help: "How long an answer took that the node itself waited for: of a call-out, or of another node.", from: one("Bus.RequestSeconds")},
	{name: "hoshi_callouts_waiting", kind: gauge, unit: "requests", help: "Call-outs that wait.", from: one("Callouts.Waiting")},
	{name: "hoshi_callouts_cached", kind: gauge, unit: "answers", help: "Answers to call-outs that are kept.", from: one("Callouts.Cached")},
	{name: "hoshi_callouts_total", kind: counter, unit: "requests", labels: []string{"kind", "outcome"}, help: "Call-outs by what was asked and how it has ended.", from: []source{
		{stat: "Callouts.Connect", labels: []string{"connect"}},
		{stat: "Callouts.Subscribe", labels: []string{"subscribe"}},
		{stat: "Callouts.Publish", labels: []string{"publish"}},
	}},
	{name: "hoshi_lifecycle_events_lost_total", kind: counter, unit: "events", labels: reason, help: "conn-open and conn-close that NATS did not take.", from: by("LostEvents", "unavailable")},
	{name: "hoshi_asks_pending", kind: gauge, unit: "asks", help: "Asks of backends that wait for answers of clients.", from: one("Asks.Pending")},
	{name: "hoshi_asked_connections_pending", kind: gauge, unit: "connections", help: "Connections that they have asked.", from: one("Asks.PendingConnections")},
	{name: "hoshi_asks_total", kind: counter, unit: "asks", help: "Asks that have reached somebody on this node.", from: one("Asks.Asks")},
	{name: "hoshi_asked_connections_total", kind: counter, unit: "connections", help: "Connections that were asked.", from: one("Asks.Asked")},
	{name: "hoshi_ask_answers_total", kind: counter, unit: "messages", help: "Answers that were passed on.", from: one("Asks.Answers")},
	{name: "hoshi_asks_ended_total", kind: counter, unit: "asks", labels: outcome, help: "How asks have ended.", from: by("Asks.Ended")},
	{name: "hoshi_asks_refused_total", kind: counter, unit: "asks", labels: reason, help: "Asks for which there was no room.", from: by("Asks.Refused")},
	{name: "hoshi_ask_answers_ignored_total", kind: counter, unit: "messages", labels: reason, help: "Answers of clients that nobody had asked for, or too late.", from: by("Asks.Ignored")},
	{name: "hoshi_ask_replies_lost_total", kind: counter, unit: "messages", help: "What NATS did not take of what is said to who asks.", from: one("Asks.Lost")},

	// NATS.
	{name: "hoshi_nats_connected", kind: gauge, help: "1 while there is a connection to NATS.", from: one("Bus.Connected")},
	{name: "hoshi_nats_ready", kind: gauge, help: "1 while it is in use: interests are restored and a barrier has gone through.", from: one("Bus.Ready")},
	{name: "hoshi_nats_connects_total", kind: counter, unit: "connections", help: "Connections to NATS that were made, the first included.", from: one("Bus.Connects")},
	{name: "hoshi_nats_rtt_seconds", kind: histo, unit: "seconds", help: "To NATS and back, through the goroutine that keeps interests: of the node's own heartbeat, once a second.", from: one("Bus.RTTSeconds")},
	{name: "hoshi_nodes", kind: gauge, unit: "nodes", help: "Nodes that this one hears on NATS, itself included: one that was silent for three heartbeats is not. Nodes that hear different numbers are parted.", from: one("Nodes")},
	{name: "hoshi_nats_servers", kind: gauge, unit: "servers", help: "NATS servers with a node, which a barrier asks. One that has gone counts until the next barrier.", from: one("Bus.Servers")},
	{name: "hoshi_barriers_total", kind: counter, unit: "barriers", help: "Barriers that have gone through.", from: one("Bus.Barriers")},
	{name: "hoshi_barriers_voided_total", kind: counter, unit: "barriers", help: "Barriers that a lost connection has ended.", from: one("Bus.BarriersVoided")},
	{name: "hoshi_barrier_seconds", kind: histo, unit: "seconds", help: "How long a barrier took: a subscribe waits for one.", from: one("Bus.BarrierSeconds")},
	{name: "hoshi_nats_servers_struck_off_total", kind: counter, unit: "servers", help: "Servers that have no node any more.", from: one("Bus.ServersStruckOff")},
	{name: "hoshi_nats_servers_passed_over_total", kind: counter, unit: "servers", help: "Servers that were silent for --barrier-timeout: a subscribe may have been answered before it was heard there.", from: one("Bus.ServersPassedOver")},
	{name: "hoshi_interests", kind: gauge, unit: "subscriptions", help: "Subjects that the node has subscribed on NATS for its clients.", from: one("Bus.Interests")},
	{name: "hoshi_interests_pending", kind: gauge, unit: "subscriptions", help: "Of these, those that no barrier has confirmed yet.", from: one("Bus.InterestsPending")},
	{name: "hoshi_interests_lingering", kind: gauge, unit: "subscriptions", help: "Of these, those that nobody needs any more and that wait for --linger.", from: one("Bus.InterestsLingering")},
	{name: "hoshi_publish_queue_messages", kind: gauge, unit: "messages", help: "Messages that wait to be handed to NATS.", from: one("Bus.PublishQueueMessages")},
	{name: "hoshi_publish_queue_bytes", kind: gauge, unit: "bytes", help: "The same in bytes.", from: one("Bus.PublishQueueBytes")},
	{name: "hoshi_published_total", kind: counter, unit: "messages", help: "Messages that were handed to NATS.", from: one("Bus.Published")},
	{name: "hoshi_publishes_refused_total", kind: counter, unit: "messages", labels: reason, help: "Messages that were not accepted for NATS; full holds the client back and loses nothing.", from: by("Bus.PublishRefused")},
	{name: "hoshi_publishes_lost_total", kind: counter, unit: "messages", labels: reason, help: "Messages that were accepted for NATS and not sent.", from: by("Bus.PublishLost")},
	{name: "hoshi_shard_queue_messages", kind: gauge, unit: "messages", help: "Messages that NATS has brought and that have not been delivered.", from: one("Bus.ShardQueueMessages")},
	{name: "hoshi_nats_messages_delivered_total", kind: counter, unit: "messages", help: "Messages of NATS that were delivered to whoever was there.", from: one("Bus.Delivered")},
	{name: "hoshi_nats_messages_dropped_total", kind: counter, unit: "messages", labels: reason, help: "Messages of NATS that were dropped.", from: by("Bus.Dropped")},

	// Revocations and kicks.
	{name: "hoshi_revocations_remembered", kind: gauge, unit: "revocations", help: "Revocations that count, with some that are over. --max-revocations bounds them.", from: one("Admin.Remembered")},
	{name: "hoshi_max_revocations", kind: gauge, unit: "revocations", help: "The bound: --max-revocations.", from: one("MaxRevocations")},
	{name: "hoshi_revocations_total", kind: counter, unit: "revocations", help: "Revocations that were asked for here.", from: one("Admin.Revocations")},
	{name: "hoshi_revocations_refused_total", kind: counter, unit: "revocations", help: "Revocations that found no room: who was meant is still trusted.", from: one("Admin.Full")},
	{name: "hoshi_revocations_learned_total", kind: counter, unit: "revocations", help: "Revocations that other nodes have told of, again and again perhaps.", from: one("Admin.Learned")},
	{name: "hoshi_revocations_unanswered_total", kind: counter, unit: "nodes", help: "Nodes that did not answer when they were asked for theirs.", from: one("Admin.Unanswered")},
	{name: "hoshi_sessions_revoked_total", kind: counter, unit: "sessions", help: "Sessions that revocations have ended.", from: one("Admin.Revoked")},
	{name: "hoshi_kicks_total", kind: counter, unit: "requests", help: "Kicks that were asked for.", from: one("Admin.Kicks")},
	{name: "hoshi_sessions_kicked_total", kind: counter, unit: "sessions", help: "Sessions that they have ended.", from: one("Admin.Kicked")},
	{name: "hoshi_admin_requests_malformed_total", kind: counter, unit: "requests", help: "Requests of administrators, and what other nodes have told, that could not be read.", from: one("Admin.Malformed")},

	// Draining.
	{name: "hoshi_draining", kind: gauge, help: "1 while the node drains.", from: one("Drain.Draining")},
	{name: "hoshi_drain_left_connections", kind: gauge, unit: "connections", help: "Clients still to be let go; 0 before a drain.", from: one("Drain.Left")},
	{name: "hoshi_drain_closed_total", kind: counter, unit: "connections", help: "Clients that a drain has let go.", from: one("Drain.Closed")},
	{name: "hoshi_drain_start_timestamp_seconds", kind: gauge, unit: "seconds", help: "When the drain has begun, in Unix time; absent before.", from: millis("Drain.BeganMS"), omitZero: true},

	// Traces.
	{name: "hoshi_spans_total", kind: counter, unit: "spans", labels: outcome, help: "Spans that were sent to --trace-endpoint, that it did not take, and for which there was no room.", from: []source{
		{stat: "Tracing.Exported", labels: []string{"exported"}},
		{stat: "Tracing.Failed", labels: []string{"failed"}},
		{stat: "Tracing.Dropped", labels: []string{"dropped"}},
	}},
	{name: "hoshi_traced_total", kind: counter, unit: "spans", labels: []string{"kind"}, help: "Spans that were begun: of clients' events, and of deliveries.", from: []source{
		{stat: "Traces.Events", labels: []string{"event"}},
		{stat: "Traces.Deliveries", labels: []string{"delivery"}},
	}},
	{name: "hoshi_trace_contexts_ignored_total", kind: counter, unit: "messages", labels: reason, help: "Trace contexts that were malformed, from clients or on NATS, and those of clients beyond the rate at which they may have spans recorded.", from: []source{
		{stat: "Traces.Malformed", labels: []string{"malformed-client"}},
		{stat: "Bus.BadTraces", labels: []string{"malformed-nats"}},
		{stat: "Traces.Unwanted", labels: []string{"unwanted"}},
	}},
}
