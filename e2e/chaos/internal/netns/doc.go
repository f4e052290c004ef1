// Package netns makes network namespaces with one link each to the world, and
// takes the link down: a partition as it comes in life, with no packet through
// and nobody told. It needs root, Linux and the command ip.
package netns
