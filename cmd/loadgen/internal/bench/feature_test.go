package bench

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

func TestScrape(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name   string
		status int
		body   string
		want   string
	}{
		{name: "metrics", status: 200, body: "hoshi_up 1\n"},
		{name: "none", status: 404, body: "404 page not found\n", want: "status 404"},
		{name: "nothing", status: 200, want: "status 200, 0 bytes"},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			var asked atomic.Int64
			srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/metrics" {
					asked.Add(1)
				}
				w.WriteHeader(tc.status)
				_, _ = io.WriteString(w, tc.body)
			}))
			defer srv.Close()
			n := &node{admin: strings.TrimPrefix(srv.URL, "http://")}
			err := n.scrapeOnce(t.Context(), srv.Client())
			if tc.want == "" && err != nil || tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)) {
				t.Errorf("got %v, want %q", err, tc.want)
			}
			if tc.want != "" {
				ctx, cancel := context.WithTimeout(t.Context(), 3*scrapeEvery)
				defer cancel()
				if err := n.scrape(ctx); err == nil || !strings.Contains(err.Error(), tc.want) {
					t.Errorf("it goes on: %v, want %q", err, tc.want)
				}
				return
			}
			// Again and again, until the run is over, which is no failure.
			stop := scraped.watch(t.Context(), n)
			for deadline := time.Now().Add(10 * scrapeEvery); asked.Load() < 3; time.Sleep(time.Millisecond) {
				if time.Now().After(deadline) {
					t.Fatalf("metrics were read %d times", asked.Load())
				}
			}
			if err := stop(); err != nil {
				t.Errorf("the end of a run is a failure: %v", err)
			}
		})
	}
}

func TestCollectTraces(t *testing.T) {
	t.Parallel()
	args, stop, err := traced.collect()
	if err != nil {
		t.Fatal(err)
	}
	if len(args) != 4 || args[0] != "--trace-endpoint" || args[2] != "--trace-sample" {
		t.Fatalf("got %q", args)
	}
	res, err := http.Post(args[1]+"/v1/traces", "application/x-protobuf", bytes.NewReader(make([]byte, 1<<16)))
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(res.Body)
	_ = res.Body.Close()
	if err != nil || len(body) != 0 || res.StatusCode != http.StatusOK || res.Header.Get("Content-Type") != "application/x-protobuf" {
		t.Errorf("got %v, %q, %v", res, body, err)
	}
	stop()
	if _, err := http.Get(args[1]); err == nil { //nolint:bodyclose // there is none
		t.Error("it goes on")
	}
	for _, f := range []feature{plainly, scraped} {
		if args, stop, err := f.collect(); len(args) != 0 || err != nil {
			t.Errorf("got %q, %v", args, err)
		} else {
			stop()
		}
	}
}
