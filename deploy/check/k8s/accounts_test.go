package k8s_test

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write nats/accounts.conf as SECURITY.md has it")

const (
	accountsFile = "nats/accounts.conf"
	accountsHead = "# Written from SECURITY.md by TestAccounts of deploy/check/k8s, with JetStream.\n"
	// For streams of the operator's own; none of these users may use it.
	accountsLine = "  HOSHI {\n"
	accountsMore = accountsLine + "    jetstream: enabled\n"
)

// accounts is the configuration of nats-server that a text in Markdown holds,
// with JetStream.
func accounts(t *testing.T, markdown string) string {
	t.Helper()
	_, block, found := strings.Cut(markdown, "```nats\n")
	block, _, ends := strings.Cut(block, "```")
	if !found || !ends || strings.Count(block, accountsLine) != 1 {
		t.Fatalf("SECURITY.md has no configuration of nats-server with the account HOSHI:\n%s", block)
	}
	return accountsHead + strings.Replace(block, accountsLine, accountsMore, 1)
}

// TestAccounts holds that users and permissions are those of SECURITY.md.
func TestAccounts(t *testing.T) {
	file := filepath.Join(manifests, accountsFile)
	want := accounts(t, read(t, "SECURITY.md"))
	if *update {
		if err := os.WriteFile(file, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if got := read(t, "deploy/k8s/"+accountsFile); got != want {
		t.Errorf("deploy/k8s/%s is not what SECURITY.md says; to write it anew:\n  go test ./k8s -run TestAccounts -update", accountsFile)
	}
}
