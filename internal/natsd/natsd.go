package natsd

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/rs/zerolog"
)

// Server is a running embedded nats-server. All methods are safe for
// concurrent use.
type Server struct {
	// Fixed after Start.
	s   *server.Server
	log logger
}

// SetDebug says whether the server makes its debug lines, at first whether the
// logger of the options takes them. Its notices are made in any case.
func (s *Server) SetDebug(on bool) { s.s.SetLoggerV2(s.log, on, false, false) }

// Start checks the options, probes the ports and starts a server. It returns
// when the server takes connections and, with routes, when the cluster has been
// joined or RouteWait has passed. Everything wrong with the options, busy ports
// included, is reported at once, joined: [PortError], [CredentialsError],
// [AddrError]. On an error nothing is left running.
func Start(ctx context.Context, o Options) (*Server, error) {
	o.fill()
	so, err := o.server()
	if err != nil {
		return nil, err
	}
	s, err := server.NewServer(so)
	if err != nil {
		return nil, fmt.Errorf("configure nats-server: %w", err)
	}
	srv := &Server{s: s, log: logger{o.Logger}}
	srv.SetDebug(max(o.Logger.GetLevel(), zerolog.GlobalLevel()) <= zerolog.DebugLevel)
	s.Start()
	if !s.ReadyForConnections(o.ReadyWait) {
		stop(s)
		return nil, fmt.Errorf("start nats-server: not ready after %v", o.ReadyWait)
	}
	if len(so.Routes) > 0 {
		if err := srv.waitRoutes(ctx, o.RouteWait); err != nil {
			stop(s)
			return nil, fmt.Errorf("start nats-server: %w", err)
		}
	}
	return srv, nil
}

// server turns the options into nats-server's.
func (o *Options) server() (*server.Options, error) {
	so := &server.Options{
		ServerName: o.ServerName,
		DontListen: o.NoListen,
		MaxPayload: int32(min(o.MaxPayload, 64<<20)),
		Username:   o.Username,
		Password:   o.Password,
		NoSigs:     true,
		// The cache holds a thousand subjects: pushes to more users than that
		// only churn it, and a channel's match takes a few hundred nanoseconds.
		NoSublistCache: true,
		// Counted in attempts, one a second: by default each is an error in the
		// log, on each of a route's connections, as long as a server is gone.
		ReconnectErrorReports: 60,
	}
	if o.Username == "" {
		so.Authorization = o.Token
	}
	var errs []error
	if !o.NoListen {
		host, port, err := probe(ClientListener, o.Listen)
		errs = append(errs, err)
		so.Host, so.Port = host, port
	}
	if !o.clustered() {
		return so, errors.Join(errs...)
	}
	so.Cluster.Name = o.ClusterName
	if o.ClusterListen != "" {
		host, port, err := probe(ClusterListener, o.ClusterListen)
		errs = append(errs, err)
		if err == nil && !loopback(host) && (o.ClusterUsername == "" || o.ClusterPassword == "") {
			errs = append(errs, &CredentialsError{What: "cluster listener", Addr: o.ClusterListen})
		}
		so.Cluster.Host, so.Cluster.Port = host, port
		so.Cluster.Username, so.Cluster.Password = o.ClusterUsername, o.ClusterPassword
	}
	if o.ClusterListen == "" {
		// nats-server would not even dial the routes.
		errs = append(errs, &AddrError{What: "cluster listener", Err: errors.New("needed by the routes, which go both ways")})
	}
	routes, err := o.parseRoutes()
	errs = append(errs, err)
	so.Routes = routes
	return so, errors.Join(errs...)
}

// probe listens once on addr and closes again, so that a busy port is an error
// with a name. It returns nats-server's form of the address: -1 for port 0.
func probe(l Listener, addr string) (string, int, error) {
	host, port, err := splitAddr(string(l)+" listener", addr)
	if err != nil {
		return "", 0, err
	}
	if port == 0 {
		port = server.RANDOM_PORT
	}
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		// The operation's own text would repeat the address.
		if op, ok := errors.AsType[*net.OpError](err); ok {
			err = op.Err
		}
		return "", 0, &PortError{Listener: l, Addr: addr, Err: err}
	}
	if err := ln.Close(); err != nil {
		return "", 0, &PortError{Listener: l, Addr: addr, Err: err}
	}
	if host == "" {
		host = "0.0.0.0"
	}
	return host, port, nil
}

// routesSettle is how long no further server must have come for the cluster to
// count as complete: servers tell a new one of each other within milliseconds.
const routesSettle = 100 * time.Millisecond

// waitRoutes waits for the first route, and then until no further server
// comes. That none comes up is no error: the first server of a cluster has
// nobody to find.
func (s *Server) waitRoutes(ctx context.Context, d time.Duration) error {
	deadline := time.NewTimer(d)
	defer deadline.Stop()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	known, since := 0, time.Now()
	for {
		if n := s.Routes(); n != known {
			known, since = n, time.Now()
		}
		if known > 0 && time.Since(since) >= routesSettle {
			return nil
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-deadline.C:
			return nil
		case <-tick.C:
		}
	}
}

// InProcessConn opens a connection to the server without a socket. It is what
// the NATS client asks of an in-process provider, so a *Server is one.
func (s *Server) InProcessConn() (net.Conn, error) { return s.s.InProcessConn() }

// ClientURL is where clients of this machine reach the server, for example
// nats://127.0.0.1:4222; empty without a listener. Credentials are not in it.
func (s *Server) ClientURL() string {
	if s.Addr() == nil {
		return ""
	}
	return s.s.ClientURL()
}

// Addr is the address of the client listener, nil without one.
func (s *Server) Addr() net.Addr { return s.s.Addr() }

// ClusterAddr is the address of the cluster listener, nil without one.
func (s *Server) ClusterAddr() net.Addr {
	if a := s.s.ClusterAddr(); a != nil {
		return a
	}
	return nil
}

// ID is the id of the server, which is new for each start.
func (s *Server) ID() string { return s.s.ID() }

// Routes is the number of other servers that are connected by at least one route.
func (s *Server) Routes() int {
	return s.s.NumRemotes()
}

// Subscriptions counts the interests of local clients whose subject matches
// the pattern, as the server itself sees them.
func (s *Server) Subscriptions(pattern string) (int, error) {
	z, err := s.s.Subsz(&server.SubszOptions{Subscriptions: true, Account: server.DEFAULT_GLOBAL_ACCOUNT, Limit: 1 << 20})
	if err != nil {
		return 0, fmt.Errorf("list subscriptions: %w", err)
	}
	n := 0
	for _, sub := range z.Subs {
		if server.SubjectsCollide(sub.Subject, pattern) && matches(sub.Subject, pattern) {
			n++
		}
	}
	return n, nil
}

// CloseClients cuts every client's connection, in-process ones included, as
// a restart would. Tests use it.
func (s *Server) CloseClients() error {
	z, err := s.s.Connz(&server.ConnzOptions{Limit: 1 << 20})
	if err != nil {
		return fmt.Errorf("list connections: %w", err)
	}
	var errs []error
	for _, c := range z.Conns {
		errs = append(errs, s.s.DisconnectClientByID(c.Cid))
	}
	return errors.Join(errs...)
}

// Shutdown stops the server at once and returns when all its goroutines have
// ended. Whoever wants nothing lost drains the clients first. More than one
// call does no harm.
func (s *Server) Shutdown() { stop(s.s) }

func stop(s *server.Server) {
	s.Shutdown()
	s.WaitForShutdown()
}
