package sentelite_test

import (
	"testing"

	"github.com/hoshi-ws/hoshi/internal/dialect"
	"github.com/hoshi-ws/hoshi/internal/dialect/sentelite"
	"github.com/hoshi-ws/hoshi/pkg/codec"
	"github.com/hoshi-ws/hoshi/pkg/codec/edn"
)

// The texts are what the reference servers print for the same values, apart
// from the keys of the handshake's map that are ours.
func TestOutbound(t *testing.T) {
	const conn = "conn-0192f3a4-7c1e-7abc-8def-5b1e6f00a2c4"
	news := []byte(`"news"`)
	plain, wrapped := sentelite.New(codec.EDN, false), sentelite.New(codec.EDN, true)
	tests := []struct {
		name string
		got  []byte
		want string
	}{
		{
			name: "handshake",
			got:  plain.AppendHandshake(nil, []byte(`"alice"`), conn, "0.1.0", nil),
			want: `[:chsk/handshake ["alice" nil {:sente-lite-version "2.0.0", :conn-id "` + conn + `", :hoshi "0.1.0"} true]]`,
		},
		{
			name: "subscribed",
			got:  plain.AppendSubscribed(nil, news),
			want: `[:sente-lite/subscribed {:channel-id "news", :success true}]`,
		},
		{
			name: "subscribed, wrapped",
			got:  wrapped.AppendSubscribed(nil, news),
			want: `[:chsk/recv [:sente-lite/subscribed {:channel-id "news", :success true}]]`,
		},
		{
			name: "subscribe refused",
			got:  plain.AppendRefused(nil, news, dialect.MaxSubscribersReached, false),
			want: `[:sente-lite/subscribed {:channel-id "news", :success false, :error :max-subscribers-reached}]`,
		},
		{
			name: "unsubscribe refused",
			got:  plain.AppendRefused(nil, []byte(`"never"`), dialect.NotSubscribed, true),
			want: `[:sente-lite/subscribed {:channel-id "never", :success nil, :error :not-subscribed}]`,
		},
		{
			name: "refused without a channel id",
			got:  plain.AppendRefused(nil, nil, dialect.BadRequest, false),
			want: `[:sente-lite/subscribed {:channel-id nil, :success false, :error :bad-request}]`,
		},
		{
			name: "channel message",
			got:  plain.AppendChannelMessage(nil, news, []byte(`{:msg "hi"}`), conn),
			want: `[:sente-lite/channel-msg {:channel-id "news", :data {:msg "hi"}, :from "` + conn + `"}]`,
		},
		{
			name: "channel message of a backend",
			got:  plain.AppendChannelMessage(nil, []byte("[:doc 7]"), []byte("nil"), ""),
			want: `[:sente-lite/channel-msg {:channel-id [:doc 7], :data nil}]`,
		},
		{
			name: "channel message, wrapped",
			got:  wrapped.AppendChannelMessage(nil, news, []byte("1"), conn),
			want: `[:chsk/recv [:sente-lite/channel-msg {:channel-id "news", :data 1, :from "` + conn + `"}]]`,
		},
		{
			name: "event, wrapped",
			got:  wrapped.AppendEvent(nil, []byte("[:chat/hi 1]")),
			want: "[:chsk/recv [:chat/hi 1]]",
		},
		{
			name: "dropped",
			got:  plain.AppendDropped(nil, 12),
			want: "[:sente-lite/dropped {:count 12, :reason :queue-full}]",
		},
		{
			name: "dropped, wrapped",
			got:  wrapped.AppendDropped(nil, 1),
			want: "[:chsk/recv [:sente-lite/dropped {:count 1, :reason :queue-full}]]",
		},
		{
			name: "reply",
			got:  plain.AppendReply(nil, []byte("{:a 1}"), []byte(`"cb-1"`)),
			want: `[{:a 1} "cb-1"]`,
		},
		{
			name: "result",
			got:  plain.AppendResult(nil, "", []byte(`"cb"`)),
			want: `[{:success true} "cb"]`,
		},
		{
			name: "result, refused",
			got:  plain.AppendResult(nil, dialect.Unavailable, []byte(`"cb"`)),
			want: `[{:success false, :error :unavailable} "cb"]`,
		},
		{
			name: "echo",
			got:  sentelite.AppendEcho(nil, []byte(":app/unknown"), []byte("{:x 1}"), conn, 1795494866888),
			want: `[:sente-lite/echo {:original-event-id :app/unknown, :original-data {:x 1}, :conn-id "` + conn + `", :timestamp 1795494866888}]`,
		},
		{
			name: "echo without data",
			got:  sentelite.AppendEcho(nil, []byte(":app/bare"), nil, conn, 1),
			want: `[:sente-lite/echo {:original-event-id :app/bare, :original-data nil, :conn-id "` + conn + `", :timestamp 1}]`,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if string(tt.got) != tt.want {
				t.Errorf("got  %s\nwant %s", tt.got, tt.want)
			}
			if err := edn.Check(tt.got); err != nil {
				t.Errorf("no reader takes it: %v", err)
			}
		})
	}
}
