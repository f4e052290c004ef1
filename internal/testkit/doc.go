// Package testkit is what tests of several packages share: a WebSocket client
// that speaks for a test, clusters of real NATS servers and real nodes in the
// test's own process, and checks for goroutines and descriptors left behind.
//
// It is imported by tests only. Everything it starts ends with the test; every
// wait has a deadline and fails the test when that is over. Start reading at
// [Dial] and [StartCluster].
package testkit
