package client

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// refusedError is an answer to the upgrade that is not 101.
type refusedError struct {
	status     string
	location   string // of a redirect, without its query
	body       string
	retryAfter time.Duration
}

func (e *refusedError) Error() string {
	s := "the server answered " + e.status
	if e.location != "" {
		s += fmt.Sprintf(" (to %s, where no client goes by itself)", e.location)
	}
	if e.body != "" {
		s += ": " + e.body
	}
	return s
}

// Bounds of such an answer, in bytes: what is read of it, and what is told.
const (
	maxRefusal     = 4 << 10
	maxRefusalText = 200
)

// maxRetryAfter keeps the arithmetic from overflowing. What is waited is bounded
// by Options.ReconnectMax.
const maxRetryAfter = 1 << 20 * time.Second

func readRefusal(r io.Reader, now time.Time) *refusedError {
	resp, err := http.ReadResponse(bufio.NewReader(io.LimitReader(r, maxRefusal)), nil)
	if err != nil {
		return nil
	}
	defer resp.Body.Close()
	e := &refusedError{status: oneLine(resp.Status, maxRefusalText)}
	if to := resp.Header.Get("Location"); to != "" && resp.StatusCode/100 == 3 {
		e.location = oneLine(plain(to), maxRefusalText)
	}
	after := resp.Header.Get("Retry-After")
	if s, err := strconv.ParseInt(after, 10, 64); err == nil {
		e.retryAfter = time.Duration(min(s, int64(maxRetryAfter/time.Second))) * time.Second
	} else if at, err := http.ParseTime(after); err == nil {
		e.retryAfter = at.Sub(now)
	}
	e.retryAfter = min(max(e.retryAfter, 0), maxRetryAfter)
	if strings.HasPrefix(resp.Header.Get("Content-Type"), "text/plain") && resp.ContentLength > 0 {
		body := make([]byte, min(resp.ContentLength, maxRefusalText))
		n, _ := io.ReadFull(resp.Body, body)
		e.body = strings.TrimSpace(oneLine(string(body[:n]), maxRefusalText))
	}
	return e
}
