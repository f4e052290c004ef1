package fleet

import (
	"errors"
	"maps"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/hoshi-ws/hoshi/cmd/loadgen/internal/report"
	"github.com/hoshi-ws/hoshi/pkg/client"
)

// maxBuckets bounds the histogram of attempts: ten minutes.
const maxBuckets = 10 * 60 * 1000 / report.BucketMS

// tally is the account of who is connected, and of what happens to those who are
// not. Its methods may be called from any goroutine.
type tally struct {
	base time.Time // fixed

	mu struct {
		sync.Mutex
		over     bool // the run is: what ends now is our doing
		here     int  // clients that are connected, and subscribed
		everHere int
		lastHere time.Duration // when the last one came
		first    time.Duration // of the disconnects, -1 before
		lastLost time.Duration // of the disconnects
		allBack  time.Duration // 0 while somebody is away
		r        report.Clients
		moved    time.Duration // when here last changed
		back     *report.Latency
	}
}

func newTally() *tally {
	t := &tally{base: time.Now()}
	t.mu.first = -1
	t.mu.r.DisconnectedBy = make(map[string]int64)
	t.mu.r.DisconnectedOf = make(map[string]int64)
	t.mu.r.FailedBy = make(map[string]int64)
	t.mu.back = report.NewLatency()
	return t
}

func (t *tally) now() time.Duration { return time.Since(t.base) }

// attempt notes an attempt to connect again.
func (t *tally) attempt() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.mu.over {
		return
	}
	t.beginLocked()
	i := int((t.now() - t.mu.first) / (report.BucketMS * time.Millisecond))
	if i >= maxBuckets {
		t.mu.r.AttemptsLater++
		return
	}
	for len(t.mu.r.Attempts) <= i {
		t.mu.r.Attempts = append(t.mu.r.Attempts, 0)
	}
	t.mu.r.Attempts[i]++
}

// broken notes that a connection has ended: the client's own callback comes later,
// and may come behind its attempt.
func (t *tally) broken() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.mu.over {
		t.beginLocked()
	}
}

// beginLocked notes the first disconnect.
func (t *tally) beginLocked() {
	if t.mu.first < 0 {
		t.mu.first = t.now()
	}
}

func (t *tally) connected() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.mu.r.Connects++
}

// came notes that a client is connected and subscribed: for the first time, or
// again after having been away since left.
func (t *tally) came(left time.Duration, again bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.mu.here++
	t.mu.lastHere = t.now()
	if again {
		t.mu.back.Record(t.mu.lastHere-left, 1)
	} else {
		t.mu.everHere++
	}
	if t.mu.first >= 0 && t.mu.here == t.mu.everHere {
		t.mu.allBack = t.mu.lastHere - t.mu.first
	}
	t.mu.moved = t.mu.lastHere
}

// left notes that a client has lost its connection, and returns when. here tells
// whether it had come.
func (t *tally) left(d *client.Disconnect, url string, here bool) time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.now()
	if t.mu.over {
		return now
	}
	t.beginLocked()
	t.mu.lastLost = now
	t.mu.r.Disconnects++
	t.mu.r.DisconnectedBy[disconnectReason(d)]++
	t.mu.r.DisconnectedOf[url]++
	if here {
		t.mu.here--
		t.mu.allBack = 0
		t.mu.moved = now
	}
	return now
}

// failed notes what a client tells OnError.
func (t *tally) failed(err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if reason := attemptReason(err); reason != "" && !t.mu.over {
		t.mu.r.FailedAttempts++
		t.mu.r.FailedBy[reason]++
	}
}

func (t *tally) failedSubscribe() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.mu.over {
		t.mu.r.FailedSubscribe++
	}
}

// stalled notes that a goroutine was woken late.
func (t *tally) stalled(by time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if ms := float64(by.Microseconds()) / 1000; t.mu.first >= 0 && ms > t.mu.r.LongestStall {
		t.mu.r.LongestStall = ms
	}
}

// glimpse is the account at one moment.
type glimpse struct {
	here     int           // clients that are connected, and subscribed
	lastHere time.Duration // when the last of them came
	lost     bool          // somebody has lost a connection, now or before
	still    time.Duration // how long here has not changed
}

func (t *tally) look() glimpse {
	t.mu.Lock()
	defer t.mu.Unlock()
	return glimpse{here: t.mu.here, lastHere: t.mu.lastHere, lost: t.mu.first >= 0, still: t.now() - t.mu.moved}
}

// end closes the account of connections and returns it.
func (t *tally) end(clients int) *report.Clients {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.mu.over = true
	r := t.mu.r
	r.DisconnectedBy, r.DisconnectedOf, r.FailedBy = maps.Clone(r.DisconnectedBy), maps.Clone(r.DisconnectedOf), maps.Clone(r.FailedBy)
	r.AllBack = t.mu.allBack.Seconds()
	if r.Disconnects > 0 {
		r.LostWithin = (t.mu.lastLost - t.mu.first).Seconds()
	}
	r.Away = clients - t.mu.here
	r.Back = t.mu.back.Quantiles()
	return &r
}

// disconnectReason is one of a bounded set.
func disconnectReason(d *client.Disconnect) string {
	if d.Code != 0 {
		return "closed " + strconv.Itoa(d.Code)
	}
	return string(d.Cause)
}

// attemptReason says why an attempt has failed, "" for an error about something
// else.
func attemptReason(err error) string {
	switch {
	case !strings.HasPrefix(err.Error(), "connect to "):
		return ""
	case errors.Is(err, syscall.ECONNREFUSED):
		return "connection refused"
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return "no local port left"
	case errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE):
		return "no descriptor left"
	case errors.Is(err, client.ErrTimeout):
		return "timeout"
	case errors.Is(err, syscall.ECONNRESET):
		return "reset"
	case strings.Contains(err.Error(), "the server answered "):
		return "upgrade refused"
	}
	return "other"
}
