package config_test

import (
	"reflect"
	"testing"
	"time"

	"github.com/hoshi-ws/hoshi/internal/config"
)

func TestCallouts(t *testing.T) {
	want := config.Callouts{
		CalloutConnect: true, CalloutSubscribe: []string{"room/*", ":a/b"}, CalloutPublish: []string{"user/{uid}"},
		CalloutTimeout: 2 * time.Second, CalloutHeaders: []string{"Cookie", "User-Agent"}, CalloutFormat: "json",
	}
	const file = `{:callout-connect true :callout-subscribe ["room/*" ":a/b"] :callout-publish "user/{uid}" :callout-timeout "2s" :callout-cache "0s"
 :callout-headers ["Cookie" "User-Agent"] :callout-format :json}`
	args := []string{
		"--callout-connect", "--callout-subscribe=room/*,:a/b", "--callout-publish=user/{uid}", "--callout-timeout=2s", "--callout-cache=0",
		"--callout-headers=Cookie,User-Agent", "--callout-format=json",
	}
	for what, given := range map[string][]string{"file": {"--config=FILE"}, "flags": args} {
		text := file
		if what == "flags" {
			text = ""
		}
		g, _, faults := parse(t, given, nil, text)
		if faults != nil || !reflect.DeepEqual(g.Run.Callouts, want) || !g.Run.Asks() {
			t.Errorf("%s: %q\n got %+v\nwant %+v", what, faults, g.Run.Callouts, want)
		}
	}
	g, _, faults := parse(t, nil, nil, "")
	if c := g.Run.Callouts; faults != nil || c.Asks() || c.CalloutTimeout != time.Second || c.CalloutCache != 5*time.Second || c.CalloutFormat != "edn" {
		t.Errorf("defaults: %q, %+v", faults, c)
	}
}

func TestCalloutFaults(t *testing.T) {
	for _, tt := range []struct {
		args []string
		want string
	}{
		{[]string{"--callout-headers=Cookie"}, "--callout-headers: needs --callout-connect: the other call-outs are told no headers"},
		{[]string{"--callout-connect", "--callout-headers=Cookie:"}, `--callout-headers: "Cookie:" is no name of a header, like User-Agent`},
		{[]string{"--callout-timeout=6s"}, `--callout-timeout: "6s" is too large, the most is 5s`},
		{[]string{"--callout-timeout=0"}, `--callout-timeout: "0" is too small, the least is 10ms`},
		{[]string{"--callout-format=transit"}, `--callout-format: "transit" is none of edn, json`},
	} {
		if _, _, faults := parse(t, tt.args, nil, ""); !reflect.DeepEqual(faults, []string{tt.want}) {
			t.Errorf("%q:\n got %q\nwant %q", tt.args, faults, tt.want)
		}
	}
}
