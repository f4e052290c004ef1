package hoshi_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

func text(t *testing.T, file string) string {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestReadme holds that what the README tells people to type and to read is
// there. That its first command and what it prints work is tested in cmd/node.
func TestReadme(t *testing.T) {
	readme, makefile, options := text(t, "README.md"), text(t, "Makefile"), text(t, "docs/config.md")
	const first, check = "go run ./cmd/node --dev", "make test"
	commands := regexp.MustCompile(`(?m)^    (\S.*)$`).FindAllStringSubmatch(readme, -1)
	if len(commands) == 0 || commands[0][1] != first {
		t.Errorf("the first command is %q, not %q", commands, first)
	}
	if !strings.Contains(readme, "\n    "+check+"\n") {
		t.Errorf("no command %q", check)
	}
	if !strings.Contains(text(t, ".ci/run"), check+"\n") {
		t.Errorf("continuous integration does not run %q", check)
	}
	for _, m := range regexp.MustCompile("[ `]make ([a-z][a-z-]*)[`\n]").FindAllStringSubmatch(readme, -1) {
		if !strings.Contains(makefile, "\n"+m[1]+":") {
			t.Errorf("there is no make %s", m[1])
		}
	}
	for _, m := range regexp.MustCompile(`--[a-z][a-z-]+`).FindAllString(readme, -1) {
		if m != "--queue" && !regexp.MustCompile(m+"[`= ]").MatchString(options) { // that one is of another program
			t.Errorf("there is no option %s", m)
		}
	}
	for _, doc := range []string{"README.md", "CHANGELOG.md", "docs/*.md"} {
		files, err := filepath.Glob(doc)
		if err != nil || len(files) == 0 {
			t.Errorf("%s: %v", doc, err)
		}
		for _, file := range files {
			for _, m := range regexp.MustCompile(`\]\(([^)#]+)`).FindAllStringSubmatch(text(t, file), -1) {
				if strings.HasPrefix(m[1], "https://") {
					continue
				}
				if _, err := os.Stat(filepath.Join(filepath.Dir(file), m[1])); err != nil {
					t.Errorf("%s: %v", file, err)
				}
			}
		}
	}
}
