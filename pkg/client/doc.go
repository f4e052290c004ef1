// Package client is a client of the sente-lite dialect, in EDN.
package client
