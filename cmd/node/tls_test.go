package main

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/hoshi-ws/hoshi/internal/certs/certtest"
	"github.com/hoshi-ws/hoshi/pkg/edge"
)

// TestTLSFaults holds that files which cannot be used are told at their options.
func TestTLSFaults(t *testing.T) {
	ca := certtest.New(t, "ca")
	dir := t.TempDir()
	cert, key := ca.Issue(t, "one", nil).Write(t, dir, "one")
	_, other := ca.Issue(t, "two", nil).Write(t, dir, "two")
	for _, tt := range []struct {
		name string
		args []string
		want []string
	}{
		{name: "good", args: []string{"--tls-cert=" + cert, "--tls-key=" + key}},
		{name: "key of another", args: []string{"--tls-cert=" + cert, "--tls-key=" + other}, want: []string{"--tls-key: " + other + ": tls: private key does not match"}},
		{name: "swapped", args: []string{"--tls-cert=" + key, "--tls-key=" + cert}, want: []string{"--tls-cert: " + key + ": holds no certificate in PEM"}},
		{
			name: "not there", args: []string{"--tls-cert=" + dir + "/a", "--tls-key=" + dir + "/b", "--tls-client-ca=" + dir + "/c"},
			want: []string{"--tls-cert: " + dir + "/a: cannot be read: no such file", "--tls-key: " + dir + "/b: cannot be read", "--tls-client-ca: " + dir + "/c: cannot be read"},
		},
		{name: "no authority", args: []string{"--tls-cert=" + cert, "--tls-key=" + key, "--tls-client-ca=" + key}, want: []string{"--tls-client-ca: " + key + ": holds no certificate"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := faultsOf(t, tt.args...)
			if len(got) != len(tt.want) {
				t.Fatalf("\n got %q\nwant %q", got, tt.want)
			}
			for i := range got {
				if !strings.HasPrefix(got[i], tt.want[i]) {
					t.Errorf("\n got %q\nwant %q", got[i], tt.want[i])
				}
			}
		})
	}
}

// TestTLSOptions holds what is meant where little is said.
func TestTLSOptions(t *testing.T) {
	ca := certtest.New(t, "ca")
	dir := t.TempDir()
	cert, key := ca.Issue(t, "one", nil).Write(t, dir, "one")
	authorities := certtest.Write(t, dir, "ca.pem", ca.PEM)
	for _, tt := range []struct {
		args []string
		want edge.TLSOptions
	}{
		{nil, edge.TLSOptions{}},
		{[]string{"--tls-cert=" + cert, "--tls-key=" + key, "--tls-min=1.2"}, edge.TLSOptions{CertFile: cert, KeyFile: key}},
		{
			[]string{"--tls-cert=" + cert, "--tls-key=" + key, "--tls-client-ca=" + authorities},
			edge.TLSOptions{CertFile: cert, KeyFile: key, ClientCAFile: authorities, RequireClient: true},
		},
		{
			[]string{"--tls-cert=" + cert, "--tls-key=" + key, "--tls-client-ca=" + authorities, "--tls-client-auth=optional", "--tls-client-uid=uri"},
			edge.TLSOptions{CertFile: cert, KeyFile: key, ClientCAFile: authorities, ClientUID: "uri"},
		},
	} {
		if got := optionsOf(t, tt.args...).TLS; got != tt.want {
			t.Errorf("%q:\n got %+v\nwant %+v", tt.args, got, tt.want)
		}
	}
}

// TestTLSDocument holds that the options and reasons that docs/tls.md names are
// there.
func TestTLSDocument(t *testing.T) {
	read := func(file string) string {
		text, err := os.ReadFile("../../docs/" + file)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	text, options := read("tls.md"), read("config.md")
	ours := regexp.MustCompile("(?m)^curl .*").ReplaceAllString(text, "")
	for _, option := range regexp.MustCompile(`--[a-z][a-z-]+`).FindAllString(ours, -1) {
		if !regexp.MustCompile(option + "[` ]").MatchString(options) {
			t.Errorf("there is no option %s", option)
		}
	}
	_, transport, _ := strings.Cut(options, "\n## Transport\n")
	transport, _, _ = strings.Cut(transport, "\n## ")
	for _, m := range regexp.MustCompile("(?m)^\\| `(--[a-z-]+)").FindAllStringSubmatch(transport, -1) {
		if !strings.Contains(text, "`"+m[1]) {
			t.Errorf("%s is not in it", m[1])
		}
	}
}
