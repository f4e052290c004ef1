package main

import (
	"slices"
	"testing"
)

// TestCalloutFaults holds that patterns which a node would refuse are told at
// their options.
func TestCalloutFaults(t *testing.T) {
	for _, tt := range []struct {
		args []string
		want []string
	}{
		{args: []string{"--callout-subscribe=room/*,user/{uid}", "--callout-publish=*"}},
		{
			args: []string{"--callout-subscribe=a,{user}", "--callout-publish=*/{uid}"},
			want: []string{`--callout-subscribe: "{user}": of braces there is only {uid}, and once`, `--callout-publish: "*/{uid}": no * may stand before {uid}`},
		},
	} {
		if got := faultsOf(t, tt.args...); !slices.Equal(got, tt.want) {
			t.Errorf("%q:\n got %q\nwant %q", tt.args, got, tt.want)
		}
	}
}
