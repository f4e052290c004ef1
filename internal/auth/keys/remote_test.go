package keys_test

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hoshi-ws/hoshi/internal/auth/keys"
	"github.com/hoshi-ws/hoshi/internal/testkit"
)

func newRemote(t *testing.T, o keys.Options) *keys.Remote {
	t.Helper()
	r, err := keys.NewRemote(o)
	if err != nil {
		t.Fatal(err)
	}
	r.Start()
	t.Cleanup(r.Stop)
	return r
}

// fetched is what OnFetch says, one after the other.
func fetched(o *keys.Options) <-chan error {
	results := make(chan error, 1000)
	o.OnFetch = func(_ string, _ int, err error) { results <- err }
	return results
}

func next(t *testing.T, results <-chan error) error {
	t.Helper()
	select {
	case err := <-results:
		return err
	case <-time.After(testkit.Patience):
		t.Fatal("no fetch")
		return nil
	}
}

func TestURLs(t *testing.T) {
	for _, c := range []struct {
		url string
		ok  bool
	}{
		{"https://id.example/keys", true},
		{"https://id.example:8443/keys?x=1", true},
		{"http://localhost:8080/keys", true},
		{"http://127.0.0.1/keys", true},
		{"http://127.9.9.9/keys", true},
		{"http://[::1]:80/keys", true},
		{"http://id.example/keys", false},
		{"http://localhost.example/keys", false},
		{"http://127.0.0.1.example/keys", false},
		{"http://127.0.0.1@id.example/keys", false},
		{"http://10.0.0.1/keys", false},
		{"http://0.0.0.0/keys", false},
		{"file:///etc/passwd", false},
		{"ftp://localhost/keys", false},
		{"//id.example/keys", false},
		{"https:///keys", false},
		{"https://id.example/#x", false},
		{"keys.json", false},
		{"", false},
		{"https://id.example/\x00", false},
	} {
		_, err := keys.NewRemote(keys.Options{URL: c.url})
		if c.ok != (err == nil) || err != nil && !errors.Is(err, keys.ErrBadURL) {
			t.Errorf("%q: %v", c.url, err)
		}
	}
	if _, err := keys.NewRemote(keys.Options{URL: "https://id.example", Timeout: -1}); err == nil {
		t.Error("a negative time is taken")
	}
}

// TestBadServers: whatever a server does, the keys that were there stay.
func TestBadServers(t *testing.T) {
	good := setOf(jwkOf("1", p256.Public()))
	other := setOf(jwkOf("evil", p384.Public()))
	elsewhere := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(other) }))
	defer elsewhere.Close()
	for _, c := range []struct {
		name string
		bad  http.HandlerFunc
	}{
		{"hangs", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }},
		{"hangs after the head", func(w http.ResponseWriter, r *http.Request) {
			_, _ = w.Write(other[:10])
			w.(http.Flusher).Flush()
			<-r.Context().Done()
		}},
		{"answers 10 MB, of spaces", func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write(other[:len(other)-1])
			_, _ = w.Write(bytes.Repeat([]byte(" "), 10<<20))
			_, _ = w.Write([]byte("}"))
		}},
		{"has a head of 100 KB", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("X", strings.Repeat("x", 100<<10))
			_, _ = w.Write(other)
		}},
		{"redirects", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, elsewhere.URL, http.StatusFound) }},
		{"says 404 with keys", func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusNotFound)
			_, _ = w.Write(other)
		}},
		{"says 206 with keys", func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusPartialContent)
			_, _ = w.Write(other)
		}},
		{"says nothing", func(http.ResponseWriter, *http.Request) {}},
		{"has a page", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "<html>") }},
		{"has no keys", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, `{"keys":[]}`) }},
		{"cuts", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "1000")
			_, _ = w.Write(other)
		}},
		{"panics", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			var bad atomic.Bool
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if bad.Load() {
					c.bad(w, r)
					return
				}
				_, _ = w.Write(good)
			}))
			defer server.Close()
			o := keys.Options{URL: server.URL, MinRefresh: time.Nanosecond, Timeout: 300 * time.Millisecond}
			results := fetched(&o)
			r := newRemote(t, o)
			if err := next(t, results); err != nil {
				t.Fatal(err)
			}
			bad.Store(true)
			if r.Want(time.Now()) == nil {
				t.Fatal("no fetch")
			}
			if err := next(t, results); err == nil {
				t.Error("the fetch went well")
			}
			if s := r.Set(time.Now()); s == nil || len(s.Keys) != 1 || s.Keys[0].ID != "1" {
				t.Errorf("set %+v", s)
			}
			r.Stop()
		})
	}
}

// TestEndlessAnswer: a fetch reads no more than a document may have, and does
// not wait for the end.
func TestEndlessAnswer(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		for {
			if _, err := w.Write(bytes.Repeat([]byte(" "), 64<<10)); err != nil {
				return
			}
		}
	}))
	defer server.Close()
	o := keys.Options{URL: server.URL, Timeout: testkit.Patience}
	results := fetched(&o)
	newRemote(t, o)
	if err := next(t, results); !errors.Is(err, keys.ErrBadKey) {
		t.Errorf("%v", err)
	}
}

// TestRemoteRecovers: after failures it tries again by itself.
func TestRemoteRecovers(t *testing.T) {
	var n atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if n.Add(1) < 4 {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		_, _ = w.Write(setOf(jwkOf("1", p256.Public())))
	}))
	defer server.Close()
	o := keys.Options{URL: server.URL, MinRefresh: time.Millisecond}
	results := fetched(&o)
	r := newRemote(t, o)
	for range 3 {
		if next(t, results) == nil {
			t.Fatal("the fetch went well")
		}
		if r.Set(time.Now()) != nil {
			t.Fatal("there is a set")
		}
	}
	if err := next(t, results); err != nil || r.Set(time.Now()) == nil {
		t.Fatalf("%v", err)
	}
}

func TestRemoteRefreshes(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write(setOf(jwkOf("1", p256.Public())))
	}))
	defer server.Close()
	o := keys.Options{URL: server.URL, Refresh: time.Millisecond}
	results := fetched(&o)
	newRemote(t, o)
	for range 3 {
		if err := next(t, results); err != nil {
			t.Fatal(err)
		}
	}
}

// TestWantIsBounded asks from many sides for what comes once.
func TestWantIsBounded(t *testing.T) {
	var n atomic.Int64
	gate := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if n.Add(1) > 1 {
			<-gate
		}
		_, _ = w.Write(setOf(jwkOf("1", p256.Public())))
	}))
	defer server.Close()
	o := keys.Options{URL: server.URL, MinRefresh: time.Hour}
	results := fetched(&o)
	r := newRemote(t, o)
	if err := next(t, results); err != nil {
		t.Fatal(err)
	}
	if r.Want(time.Now()) != nil {
		t.Error("a fetch at once")
	}
	later := time.Now().Add(time.Hour + time.Minute)
	var asked, group sync.WaitGroup
	asked.Add(50)
	for range 50 {
		group.Go(func() {
			wait := r.Want(later)
			asked.Done()
			if wait == nil {
				t.Error("no fetch")
				return
			}
			<-wait
		})
	}
	asked.Wait()
	close(gate)
	group.Wait()
	if err := next(t, results); err != nil || n.Load() != 2 {
		t.Errorf("%d fetches, %v", n.Load(), err)
	}
	r.Stop()
	if r.Want(later.Add(2*time.Hour)) != nil {
		t.Error("a fetch after Stop")
	}
}

func TestStale(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write(setOf(jwkOf("1", p256.Public())))
	}))
	defer server.Close()
	o := keys.Options{URL: server.URL, MaxStale: time.Hour}
	results := fetched(&o)
	r := newRemote(t, o)
	if err := next(t, results); err != nil {
		t.Fatal(err)
	}
	at := r.Set(time.Now()).At
	if r.Set(at.Add(time.Hour)) == nil {
		t.Error("gone too early")
	}
	if r.Set(at.Add(time.Hour+1)) != nil {
		t.Error("believed for ever")
	}
}

func TestRemoteTLS(t *testing.T) {
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write(setOf(jwkOf("1", p256.Public())))
	}))
	defer server.Close()
	server.Config.ErrorLog = nil
	roots := x509.NewCertPool()
	roots.AddCert(server.Certificate())
	for _, c := range []struct {
		name string
		tls  *tls.Config
		ok   bool
	}{
		{"known authority", &tls.Config{RootCAs: roots}, true},
		{"unknown authority", nil, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := keys.Options{URL: server.URL, TLS: c.tls}
			results := fetched(&o)
			newRemote(t, o)
			if err := next(t, results); c.ok != (err == nil) {
				t.Errorf("%v", err)
			}
		})
	}
}
