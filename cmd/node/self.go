package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// self is how to start this program once more from the same shell.
func self() string {
	exe, err := os.Executable()
	if err == nil && builtByGoRun(exe) {
		return goRun()
	}
	return shellQuote(os.Args[0])
}

// goRun is the command line of go run that works in the current folder.
func goRun() string {
	for _, p := range []struct{ file, command string }{
		{filepath.Join("cmd", "node", "main.go"), "go run ./cmd/node"},
		{"main.go", "go run ."},
	} {
		if _, err := os.Stat(p.file); err == nil {
			return p.command
		}
	}
	return "go run github.com/hoshi-ws/hoshi/cmd/node" // anywhere in the module
}

// go run leaves its executable in a folder of the build's own, and on later
// runs in the build cache, where a folder is named by a hash.
var cached = regexp.MustCompile(`^[0-9a-f]{64}-d$`)

func builtByGoRun(exe string) bool {
	dir := filepath.Dir(exe)
	if cached.MatchString(filepath.Base(dir)) {
		return true
	}
	if filepath.Base(dir) != "exe" {
		return false
	}
	for part := range strings.SplitSeq(filepath.ToSlash(dir), "/") {
		if strings.HasPrefix(part, "go-build") {
			return true
		}
	}
	return false
}

var plainWord = regexp.MustCompile(`^[A-Za-z0-9_@%+=:,./-]+$`)

// shellQuote writes s so that a POSIX shell reads it as one word.
func shellQuote(s string) string {
	if plainWord.MatchString(s) {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
