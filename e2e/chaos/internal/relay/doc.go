// Package relay is a TCP proxy that harms what it carries: it delays, stands
// still, cuts connections or resets them.
package relay
