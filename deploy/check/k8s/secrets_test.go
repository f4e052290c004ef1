package k8s_test

import (
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/api/resource"
)

func size(text string) int64 {
	q, err := resource.ParseQuantity(text)
	if err != nil {
		return -1
	}
	return q.Value()
}

var (
	literal  = regexp.MustCompile(`--from-literal=([a-z-]+)=(\$\([^)]*\))`)
	function = regexp.MustCompile(`(?m)^word\(\) \{.*\}$`)
)

// made runs the shell of README.md that makes words, as the operator does, and
// returns the secrets with them.
func made(t *testing.T, f *facts) map[string]map[string]string {
	t.Helper()
	text := read(t, "deploy/k8s/README.md")
	values := f.values()
	found := 0
	for _, m := range literal.FindAllStringSubmatch(text, -1) {
		out, err := exec.Command("sh", "-ec", function.FindString(text)+"\nprintf %s \""+m[2]+"\"").Output()
		if err != nil {
			t.Fatal(err)
		}
		if word := strings.TrimSpace(string(out)); len(word) < 32 || strings.ContainsAny(word, " \n") {
			t.Fatalf("%s is %q", m[0], word)
		}
		for _, keys := range values {
			if _, ok := keys[m[1]]; ok {
				keys[m[1]] = string(out)
				found++
			}
		}
	}
	if found != 5 {
		t.Fatalf("README.md makes %d secrets", found)
	}
	return values
}
