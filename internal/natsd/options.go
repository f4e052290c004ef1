package natsd

import (
	"errors"
	"net"
	"net/url"
	"strconv"
	"time"

	"github.com/rs/zerolog"
)

// Defaults of [Options].
const (
	DefaultListen      = "127.0.0.1:4222"
	DefaultClusterName = "hoshi"
	DefaultMaxPayload  = 8 << 20 // bytes
	DefaultReadyWait   = 10 * time.Second
	DefaultRouteWait   = time.Second
)

// Options says what [Start] starts. The zero value is a server on
// 127.0.0.1:4222 without a cluster.
type Options struct {
	// Listen is the client listener, host:port; port 0 picks a free one.
	// Default 127.0.0.1:4222.
	Listen string
	// NoListen switches the client listener off: only InProcess reaches the
	// server.
	NoListen bool
	// Username and Password are asked of every client, the in-process one
	// included, when Username is not empty.
	Username, Password string
	// Token is asked of every client when not empty and Username is empty.
	Token string

	// ClusterListen is the listener for routes, host:port; port 0 picks a free
	// one. Empty means no listener.
	ClusterListen string
	// Routes are nats://host:port or host:port of other servers' cluster
	// listeners. One's own address among them does no harm.
	Routes []string
	// ClusterUsername and ClusterPassword are asked of every incoming route,
	// and given on every outgoing one that has no user of its own.
	ClusterUsername, ClusterPassword string
	// ClusterName must be equal on all servers of a cluster. Default "hoshi".
	ClusterName string
	// ServerName must be unique in a cluster. Default: made of the server id.
	ServerName string

	// MaxPayload is the largest message in bytes, headers included. Default
	// 8 MiB.
	MaxPayload int
	// ReadyWait bounds Start. Default 10 s.
	ReadyWait time.Duration
	// RouteWait is how long Start waits for the other servers when Routes are
	// given, so that a node's first barrier sees the cluster. A server that
	// finds no other within that time starts all the same. Default 1 s.
	RouteWait time.Duration
	// Logger takes the server's log. Nil means none.
	Logger *zerolog.Logger
}

func (o *Options) fill() {
	if o.Listen == "" {
		o.Listen = DefaultListen
	}
	if o.ClusterName == "" {
		o.ClusterName = DefaultClusterName
	}
	if o.MaxPayload <= 0 {
		o.MaxPayload = DefaultMaxPayload
	}
	if o.ReadyWait <= 0 {
		o.ReadyWait = DefaultReadyWait
	}
	if o.RouteWait <= 0 {
		o.RouteWait = DefaultRouteWait
	}
	if o.Logger == nil {
		nop := zerolog.Nop()
		o.Logger = &nop
	}
}

func (o *Options) clustered() bool { return o.ClusterListen != "" || len(o.Routes) > 0 }

// splitAddr returns host and port of a listen address.
func splitAddr(what, addr string) (host string, port int, err error) {
	h, p, err := net.SplitHostPort(addr)
	if err != nil {
		return "", 0, &AddrError{What: what, Addr: addr, Err: errors.New("want host:port")}
	}
	port, err = strconv.Atoi(p)
	if err != nil || port < 0 || port > 65535 {
		return "", 0, &AddrError{What: what, Addr: addr, Err: errors.New("port is not a number from 0 to 65535")}
	}
	return h, port, nil
}

// loopback says whether host can only be reached from this machine. Names
// other than localhost are not looked up: the answer must not change later.
func loopback(host string) bool {
	if host == "localhost" {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}

// parseRoutes checks the routes and fills the cluster's credentials in.
func (o *Options) parseRoutes() ([]*url.URL, error) {
	var (
		urls []*url.URL
		errs []error
	)
	for _, r := range o.Routes {
		u, err := url.Parse(r)
		if err != nil || u.Host == "" {
			u, err = url.Parse("nats://" + r)
		}
		if err != nil || u.Host == "" || u.Port() == "" || (u.Scheme != "nats" && u.Scheme != "nats-route" && u.Scheme != "tls") {
			// The text may hold a password, and the parser's error quotes it.
			errs = append(errs, &AddrError{What: "route", Addr: redact(r), Err: errors.New("want nats://host:port")})
			continue
		}
		if u.User == nil && o.ClusterUsername != "" {
			u.User = url.UserPassword(o.ClusterUsername, o.ClusterPassword)
		}
		if u.User == nil && !loopback(u.Hostname()) {
			errs = append(errs, &CredentialsError{What: "route", Addr: u.Host})
			continue
		}
		urls = append(urls, u)
	}
	return urls, errors.Join(errs...)
}

// redact cuts everything before the last @ off, since it may be a password.
func redact(s string) string {
	for i := len(s) - 1; i >= 0; i-- {
		if s[i] == '@' {
			return s[i+1:]
		}
	}
	return s
}
