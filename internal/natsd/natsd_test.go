package natsd_test

import (
	"context"
	"errors"
	"net"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/hoshi-ws/hoshi/internal/natsd"
	"github.com/hoshi-ws/hoshi/internal/testkit"
)

func TestMain(m *testing.M) { testkit.Main(m) }

func start(t *testing.T, o natsd.Options) *natsd.Server {
	t.Helper()
	s, err := natsd.Start(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Shutdown)
	return s
}

func TestStart(t *testing.T) {
	s := start(t, natsd.Options{Listen: "127.0.0.1:0"})
	if !strings.HasPrefix(s.ClientURL(), "nats://127.0.0.1:") || s.Addr() == nil || s.ClusterAddr() != nil {
		t.Errorf("url %s, addr %v, cluster %v", s.ClientURL(), s.Addr(), s.ClusterAddr())
	}
	c, err := s.InProcessConn()
	if err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 4)
	if err := c.SetDeadline(time.Now().Add(5 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Read(buf); err != nil || string(buf) != "INFO" {
		t.Errorf("got %q, %v", buf, err)
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	s.Shutdown()
	if _, err := s.InProcessConn(); err == nil {
		t.Error("a stopped server takes connections")
	}
}

func TestNoListen(t *testing.T) {
	s := start(t, natsd.Options{NoListen: true})
	if s.ClientURL() != "" || s.Addr() != nil {
		t.Errorf("url %q, addr %v", s.ClientURL(), s.Addr())
	}
}

// TestBusyPorts: all busy ports are in one error, each with its listener, and
// soon.
func TestBusyPorts(t *testing.T) {
	var busy []string
	for range 2 {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = ln.Close() }()
		busy = append(busy, ln.Addr().String())
	}
	begin := time.Now()
	_, err := natsd.Start(t.Context(), natsd.Options{Listen: busy[0], ClusterListen: busy[1]})
	if time.Since(begin) > time.Second {
		t.Error("took longer than a second")
	}
	ports := natsd.PortErrors(err)
	if len(ports) != 2 || ports[0].Listener != natsd.ClientListener || ports[0].Addr != busy[0] ||
		ports[1].Listener != natsd.ClusterListener || ports[1].Addr != busy[1] || !errors.Is(ports[0], syscall.EADDRINUSE) {
		t.Errorf("got %v", err)
	}
}

func TestRefused(t *testing.T) {
	tests := []struct {
		name  string
		o     natsd.Options
		creds bool // a *CredentialsError, else an *AddrError
	}{
		{name: "open cluster listener", o: natsd.Options{ClusterListen: "0.0.0.0:0"}, creds: true},
		{name: "open cluster listener without a host", o: natsd.Options{ClusterListen: ":0"}, creds: true},
		{name: "user without password", o: natsd.Options{ClusterListen: ":0", ClusterUsername: "u"}, creds: true},
		{name: "open route", o: natsd.Options{ClusterListen: "127.0.0.1:0", Routes: []string{"nats://192.0.2.1:6222"}}, creds: true},
		{name: "open route by name", o: natsd.Options{ClusterListen: "127.0.0.1:0", Routes: []string{"example.com:6222"}}, creds: true},
		{name: "address without port", o: natsd.Options{Listen: "127.0.0.1"}},
		{name: "port out of range", o: natsd.Options{Listen: "127.0.0.1:70000"}},
		{name: "cluster address", o: natsd.Options{ClusterListen: "x"}},
		{name: "route without a cluster listener", o: natsd.Options{Routes: []string{"localhost:6222"}}},
		{name: "route without port", o: natsd.Options{ClusterListen: "127.0.0.1:0", Routes: []string{"nats://u:s3cret@localhost"}}},
		{name: "route of another kind", o: natsd.Options{ClusterListen: "127.0.0.1:0", Routes: []string{"http://u:s3cret@localhost:1"}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if tt.o.Listen == "" {
				tt.o.Listen = "127.0.0.1:0"
			}
			_, err := natsd.Start(t.Context(), tt.o)
			if err == nil {
				t.Fatal("started")
			}
			_, creds := errors.AsType[*natsd.CredentialsError](err)
			_, addr := errors.AsType[*natsd.AddrError](err)
			if creds != tt.creds || addr == tt.creds || strings.Contains(err.Error(), "s3cret") {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestCluster(t *testing.T) {
	creds := natsd.Options{Listen: "127.0.0.1:0", ClusterListen: "0.0.0.0:0", ClusterUsername: "u", ClusterPassword: "p"}
	a := start(t, creds)
	_, port, err := net.SplitHostPort(a.ClusterAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	withRoute := creds
	withRoute.Routes = []string{"127.0.0.1:" + port}
	b := start(t, withRoute)
	if b.Routes() != 1 {
		t.Errorf("b has %d routes after its start", b.Routes())
	}
	wrong := withRoute
	wrong.ClusterPassword = "wrong"
	wrong.RouteWait = 200 * time.Millisecond
	if c := start(t, wrong); c.Routes() != 0 {
		t.Error("a wrong password got a route")
	}
}
