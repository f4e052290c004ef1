package main

import (
	"crypto/tls"
	"crypto/x509"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/hoshi-ws/hoshi/internal/testkit"
	"github.com/hoshi-ws/hoshi/pkg/bus"
)

// TestTLSDocumentTryIt makes certificates as docs/tls.md does, starts a node with the
// options that it names, and comes as the user that it says.
func TestTLSDocumentTryIt(t *testing.T) {
	raw, err := os.ReadFile("../../docs/tls.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := regexp.MustCompile("(?s)```sh\n(.*?)```").FindAllStringSubmatch(string(raw), -1)
	if len(blocks) != 2 {
		t.Fatalf("%d blocks for a shell", len(blocks))
	}
	dir := t.TempDir()
	making := exec.CommandContext(t.Context(), "sh", "-e", "-c", blocks[0][1])
	making.Dir = dir
	if out, err := making.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	args := strings.Fields(strings.TrimPrefix(regexp.MustCompile("(?m)^hoshi [^#]*").FindString(blocks[1][1]), "hoshi "))
	for i, arg := range args {
		if strings.HasSuffix(arg, ".pem") {
			args[i] = filepath.Join(dir, arg)
		}
	}
	o := optionsOf(t, args...)
	o.Logger, o.Bus = nil, bus.Options{URLs: []string{testkit.StartNATS(t, 1)[0].ClientURL()}}
	n := testkit.StartNode(t, o)
	authorities := x509.NewCertPool()
	if pem, err := os.ReadFile(filepath.Join(dir, "ca.pem")); err != nil || !authorities.AppendCertsFromPEM(pem) {
		t.Fatalf("ca.pem: %v", err)
	}
	config := &tls.Config{RootCAs: authorities}
	if _, err := testkit.DialTLS(t, n.Addr().String(), "/", config); err == nil {
		t.Error("somebody without a certificate has come")
	}
	alice, err := tls.LoadX509KeyPair(filepath.Join(dir, "alice.pem"), filepath.Join(dir, "alice-key.pem"))
	if err != nil {
		t.Fatal(err)
	}
	config.Certificates = []tls.Certificate{alice}
	if c, err := testkit.DialTLS(t, n.Addr().String(), "/", config); err != nil || c.UID != `"alice"` {
		t.Errorf("%+v, %v", c, err)
	}
}
