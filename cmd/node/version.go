package main

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"
)

// Set by the linker, which scripts/build.sh tells what git describe says:
// -ldflags "-X main.version=v1.2.3 -X main.commit=0123abcd4567 -X main.date=2026-11-27".
// Each may be empty.
var version, commit, date string

// versionText is the version in one word: what the linker was told, else what the
// module system knows, else dev.
func versionText() string {
	if version != "" {
		return version
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" && info.Main.Version != "(devel)" {
		return info.Main.Version
	}
	return "dev"
}

// commitText is the commit that was built, with -dirty behind it where the tree
// had changes; "" where nobody knows.
func commitText() string {
	if commit != "" {
		return commit
	}
	revision, dirty := "", ""
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			switch {
			case s.Key == "vcs.revision":
				revision = s.Value[:min(12, len(s.Value))]
			case s.Key == "vcs.modified" && s.Value == "true":
				dirty = "-dirty"
			}
		}
	}
	if revision == "" {
		return ""
	}
	return revision + dirty
}

type versionCmd struct{}

// Run prints what was built, and from what.
func (versionCmd) Run(out output) error {
	var parts []string
	if c := commitText(); c != "" {
		parts = append(parts, "commit "+c)
	}
	if date != "" {
		parts = append(parts, date)
	}
	parts = append(parts, runtime.Version(), runtime.GOOS+"/"+runtime.GOARCH)
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, d := range info.Deps {
			if d.Path == "github.com/nats-io/nats-server/v2" {
				parts = append(parts, "nats-server "+d.Version)
			}
		}
	}
	_, err := fmt.Fprintf(out.stdout, "hoshi %s (%s)\n", versionText(), strings.Join(parts, ", "))
	return err
}
