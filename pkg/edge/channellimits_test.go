package edge_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/hoshi-ws/hoshi/internal/testkit"
	"github.com/hoshi-ws/hoshi/pkg/edge"
)

// limited starts a node with rules that limit.
func limited(t *testing.T) *testkit.Cluster {
	t.Helper()
	anyone := []edge.Who{{Kind: edge.Anyone}}
	return testkit.StartCluster(t, 1, func(_ int, o *edge.Options) {
		o.Channels.MaxSubscribers = 3
		o.Access.Channels = []edge.Rule{
			{Pattern: "small/*", Subscribe: anyone, Publish: anyone, Limits: &edge.ChannelLimits{MaxSubscribers: 1, MaxMessage: 16}},
			{Pattern: "large/*", Subscribe: anyone, Publish: anyone, Limits: &edge.ChannelLimits{MaxSubscribers: 5}},
			{Pattern: "slow/*", Subscribe: anyone, Publish: anyone, Limits: &edge.ChannelLimits{PublishRate: 3}},
			{Pattern: "*", Subscribe: anyone, Publish: anyone},
		}
	})
}

func TestMaxSubscribersOfARule(t *testing.T) {
	c := limited(t)
	for channel, most := range map[string]int{"small/a": 1, "small/b": 1, "large/a": 5, "other": 3} {
		for i := range most + 1 {
			cl := c.Dial(t, 0, "/")
			cl.Send(`[[:sente-lite/subscribe {:channel-id "` + channel + `"}] "cb"]`)
			want := `[{:success true} "cb"]`
			if i == most {
				want = `[{:success false, :error :max-subscribers-reached} "cb"]`
			}
			cl.Expect(want)
		}
	}
}

func TestMaxMessageOfARule(t *testing.T) {
	c := limited(t)
	cl, reader := c.Dial(t, 0, "/"), c.Dial(t, 0, "/")
	reader.Subscribe(`"small/a"`)
	fits, long := `"`+strings.Repeat("x", 14)+`"`, `"`+strings.Repeat("x", 15)+`"`
	for data, ok := range map[string]bool{fits: true, long: false} {
		cl.Send(`[[:sente-lite/publish {:channel-id "small/a" :data ` + data + `}] "cb"]`)
		if ok {
			cl.Expect(`[{:success true} "cb"]`)
			reader.Expect(testkit.Message(`"small/a"`, data, cl.ConnID))
			continue
		}
		cl.Expect(`[{:success false, :error :bad-request} "cb"]`)
	}
	cl.Publish(`"small/a"`, long) // hears nothing
	cl.Nothing()
	reader.Nothing()
	if got := c.Nodes[0].Stats().RefusedMessages["publish-too-large"]; got != 2 {
		t.Errorf("counted %d", got)
	}
}

func TestPublishRateOfARule(t *testing.T) {
	c := limited(t)
	cl, other := c.Dial(t, 0, "/"), c.Dial(t, 0, "/")
	publish := func(cl *testkit.Client, channel string) bool {
		cl.Send(`[[:sente-lite/publish {:channel-id "` + channel + `" :data 1}] "cb"]`)
		switch got := cl.Read(); got {
		case `[{:success true} "cb"]`:
			return true
		case `[{:success false, :error :rate-limited} "cb"]`:
		default:
			t.Errorf("answered %s", got)
		}
		return false
	}
	begun := time.Now()
	passed := 0
	for i := range 30 { // in all channels of the rule together
		if publish(cl, fmt.Sprintf("slow/%d", i%2)) {
			passed++
		}
	}
	if took := time.Since(begun); passed < 3 || float64(passed) > 3+took.Seconds()*3+1 {
		t.Errorf("%d passed in %v", passed, took)
	}
	refused := c.Nodes[0].Stats().RefusedMessages["publish-rate-limited"]
	if int(refused) != 30-passed || passed == 30 {
		t.Errorf("%d passed, %d counted", passed, refused)
	}
	for range 3 { // each has its own, and other channels have none
		if !publish(other, "slow/1") {
			t.Error("another connection is limited")
		}
	}
	for range 20 {
		if !publish(cl, "other") {
			t.Error("another channel is limited")
		}
	}
	testkit.Eventually(t, "the rate to allow more", func() bool { return publish(cl, "slow/0") })
}

func TestLimitsThatCannotBe(t *testing.T) {
	for _, limits := range []any{3, edge.ChannelLimits{}, &edge.ChannelLimits{MaxMessage: -1}, &edge.ChannelLimits{PublishRate: 2_000_000}} {
		_, err := edge.Start(t.Context(), edge.Options{Access: edge.AccessOptions{Channels: []edge.Rule{{Pattern: "a", Limits: limits}}}})
		if err == nil || !strings.Contains(err.Error(), `1 for channels, "a"`) {
			t.Errorf("%T %v: %v", limits, limits, err)
		}
	}
}
