// Package config turns flags, HOSHI_ variables and an EDN file into one struct.
//
// [Shared] holds what every command needs (how to reach NATS, how to log) and
// [Node] what only a running node needs. Their struct tags are the single
// source for the name, the default, the limits and the help of an option; the
// variable and the file key follow from the name (--nats-url, HOSHI_NATS_URL,
// :nats-url), and docs/config.md is generated from the same tags.
//
// A flag wins over the environment, the environment over the file, the file
// over the default. An unknown file key or HOSHI_ variable is a fault, as a
// misspelt limit that is silently ignored is worse than a node that does not
// start; HOSHI_SERVICE_* and HOSHI_PORT* are passed over, because Kubernetes
// injects them for a service called hoshi. All faults are reported together.
//
// Nothing here starts a goroutine or keeps state after [Parse] returns, and no
// fault ever quotes the value of an option that holds a secret.
//
// Start reading in options.go, then parse.go.
package config
