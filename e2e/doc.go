// Package e2e tests the whole of Hoshi from outside, with nothing but built
// programs and real sockets: three hoshi processes, each connected to another
// server of a cluster of three NATS servers, backends that know the published
// contract alone, and clients in which Clojure's own reader and printer judge
// every frame, one of them in a browser.
//
//	e2e_test.go      the scenarios, and the checks that each must print
//	edn_test.go      generated texts, which clojure.edn on the JVM and pkg/codec/edn both judge
//	cluster_test.go  what is started, in which order, and what ended it
//	process_test.go  one child process: its output, its end
//	clj/             clients, run by nbb; client.cljs is the wire format
//	backends/        backends in JavaScript: the npm client of NATS, a bare TCP socket
//	sente_test.go    Sente, over three nodes
//	sente/           its clients by hand, of every version and format, and what the JVM prints
//	browser_test.go  a browser, behind a proxy to three nodes
//	browser/         its pages, in which Scittle runs clients; run.mjs opens them
//	haproxy_test.go  HAProxy in front of one node and of three: whose answer goes to whom
//	haproxy/         its configuration
//	transit_test.go  Transit, held to the npm package transit-js in both directions
//	formats/         programs around other authors' readers and writers
//
// The test starts every process itself, on free ports of the loopback
// interface, and ends only those. It needs node, the packages of
// package-lock.json, clojure, HAProxy and Chromium (scripts/setup.sh installs all)
// and fails without them.
package e2e
