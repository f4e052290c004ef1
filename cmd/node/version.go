package main

import (
	"fmt"
	"io"
	"runtime"
	"runtime/debug"
	"strings"
)

// version is set by release builds: -ldflags "-X main.version=v1.2.3".
var version string

// versionText is the version in one word: what the release says, else what the
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

func printVersion(w io.Writer) error {
	parts := []string{runtime.Version(), runtime.GOOS + "/" + runtime.GOARCH}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" && s.Value != "" {
				parts = append(parts, "commit "+s.Value[:min(12, len(s.Value))])
			}
		}
		for _, d := range info.Deps {
			if d.Path == "github.com/nats-io/nats-server/v2" {
				parts = append(parts, "nats-server "+d.Version)
			}
		}
	}
	_, err := fmt.Fprintf(w, "hoshi %s (%s)\n", versionText(), strings.Join(parts, ", "))
	return err
}
