package bus

import (
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"
)

// query is what all requests to nodes are.
type query interface {
	fields() []adminField
	complete() error
	append(dst []byte) []byte
}

// queries are an empty one of each kind.
func queries() map[string]query {
	return map[string]query{
		APIStats: &StatsQuery{}, APIWho: &WhoQuery{}, APIChannels: &ChannelsQuery{}, APITrace: &TraceQuery{}, APILogLevel: &LevelQuery{},
	}
}

func TestQueriesComeAsTheyWereSent(t *testing.T) {
	for name, all := range map[string][]query{
		APIStats:    {&StatsQuery{}, &StatsQuery{Slow: MaxSlow}},
		APIWho:      {&WhoQuery{Target: Target{UID: String("al\"ice")}, Limit: 7}, &WhoQuery{Target: Target{UID: EDN("[:team 7]")}}, &WhoQuery{Target: Target{ConnID: "conn-0192f3a4-7c1e-7abc-8def-5b1e6f00a2c4"}}, &WhoQuery{Target: Target{ClientID: "a b\n"}}},
		APIChannels: {&ChannelsQuery{}, &ChannelsQuery{Match: "price/*\"", Limit: 3}},
		APITrace:    {&TraceQuery{Target: Target{Channel: Keyword("a/b")}}, &TraceQuery{Target: Target{UID: String("a")}, Time: time.Second, Rate: 9}},
		APILogLevel: {&LevelQuery{Level: "debug"}, &LevelQuery{Level: "warn", For: time.Minute}},
	} {
		for _, sent := range all {
			if err := sent.complete(); err != nil {
				t.Fatalf("%s %+v: %v", name, sent, err)
			}
			body := sent.append(nil)
			got := queries()[name]
			err := readQuery("", body, got.fields())
			if err == nil {
				err = got.complete()
			}
			if err != nil || !reflect.DeepEqual(sent, got) {
				t.Errorf("%s %s: %+v, want %+v, %v", name, body, got, sent, err)
			}
		}
	}
}

// FuzzQuery: whatever comes is refused, or within the bounds, and then means the same
// when it is written again.
func FuzzQuery(f *testing.F) {
	for _, name := range []string{APIStats, APIWho, APIChannels, APITrace, APILogLevel} {
		for _, body := range []string{
			"", "{}", `{:uid "alice" :limit 5}`, `{"uid": ":admin"}`, `{:channel-id [1 2] :time 5 :rate 1}`, `{:match "*"}`, `{"slow": 3}`,
			`{:level "debug" :for 1000}`, `{"level": "warn", "for": 1}`, "{\"a\" :b}", "[", "{:uid nil}", "{:uid #inst \"2026-11-27\"}", " {\n\"limit\": 1e3}",
		} {
			f.Add(name, "", []byte(body))
		}
	}
	f.Add(APIWho, ContentTypeJSON, []byte(`{"uid": "alice"}`))
	f.Add(APIWho, ContentTypeMessagePack, []byte("\x81\xa3uid\xa1a"))
	f.Fuzz(func(t *testing.T, name, contentType string, body []byte) {
		q, known := queries()[name]
		if !known {
			return
		}
		err := readQuery(contentType, body, q.fields())
		if err == nil {
			err = q.complete()
		}
		if err != nil {
			if !errors.Is(err, ErrBadBody) || len(err.Error()) > 400 {
				t.Errorf("%q: %v", body, err)
			}
			return
		}
		switch q := q.(type) {
		case *WhoQuery:
			if q.Limit < 1 || q.Limit > MaxWho {
				t.Errorf("%q: %+v", body, q)
			}
		case *ChannelsQuery:
			if q.Limit < 1 || q.Limit > MaxChannels || len(q.Match) > maxMatch {
				t.Errorf("%q: %+v", body, q)
			}
		case *TraceQuery:
			if q.Rate < 1 || q.Rate > MaxTraceRate || q.Time <= 0 || q.Time > MaxTraceTime {
				t.Errorf("%q: %+v", body, q)
			}
		}
		again := queries()[name]
		if err := readQuery("", q.append(nil), again.fields()); err != nil || !reflect.DeepEqual(q, again) {
			t.Errorf("%q: %+v, again %+v, %v", body, q, again, err)
		}
	})
}

// A body that is larger than any request is refused before it is read.
func TestQueryIsBounded(t *testing.T) {
	body := `{:match "` + strings.Repeat("x", maxAdminBody) + `"}`
	var q ChannelsQuery
	if err := readQuery("", []byte(body), q.fields()); !errors.Is(err, ErrBadBody) {
		t.Errorf("took %d bytes: %v", len(body), err)
	}
}
