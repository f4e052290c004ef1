package config

import (
	"fmt"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
)

// Markdown writes docs/config.md from the tags of [Shared] and [Node].
func Markdown() (string, error) {
	var grammar struct {
		Shared
		Node
	}
	return markdown(&grammar)
}

// placed reports whether a group has a place in groupOrder.
func placed(group string) bool { return slices.Contains(groupOrder, group) }

// helpWithBounds is the help of an option, and between what its value may be.
func helpWithBounds(f *kong.Flag) string {
	help := fullHelp(f)
	if !f.Tag.Has("min") {
		return help
	}
	help += fmt.Sprintf(" From %s to %s", f.Tag.Get("min"), f.Tag.Get("max"))
	if f.Tag.Has("step") {
		help += " in steps of " + f.Tag.Get("step")
	}
	return help + "."
}

// markdown is [Markdown] for any grammar.
func markdown(grammar any) (string, error) {
	groups, err := grouped(grammar)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	b.WriteString(preface)
	for _, group := range groupOrder {
		fmt.Fprintf(&b, "\n## %s\n\n| flag | variable | file key | default | meaning |\n|---|---|---|---|---|\n", group)
		for _, f := range groups[group] {
			flag := "--" + f.Name
			if !f.IsBool() {
				flag += " " + f.PlaceHolder
			}
			key, value := "`:"+f.Name+"`", "`"+f.Default+"`"
			if f.Name == "config" {
				key = ""
			}
			if f.Default == "" {
				value = ""
				if f.IsBool() {
					value = "`false`"
				}
			}
			help := helpWithBounds(f)
			fmt.Fprintf(&b, "| `%s` | `%s` | %s | %s | %s |\n", flag, envName(f.Name), key, value, strings.ReplaceAll(help, "|", "\\|"))
		}
	}
	return b.String(), nil
}

const preface = `# Configuration

<!-- Generated from internal/config/options.go: go test ./internal/config -run TestMarkdown -update -->

Every option of ` + "`hoshi`" + ` is a flag, an environment variable and a key in an EDN file. A flag wins over the
variable, the variable over the file, the file over the default.

` + "```" + `
hoshi --listen 0.0.0.0:8080 --echo
HOSHI_LISTEN=0.0.0.0:8080 HOSHI_ECHO=true hoshi
hoshi --config hoshi.edn
` + "```" + `

Two nodes on one machine, each with a NATS server inside, as one cluster:

` + "```" + `
hoshi --nats-cluster-listen 127.0.0.1:6222
hoshi --nats-cluster-listen 127.0.0.1:0 --nats-routes 127.0.0.1:6222 \
      --listen 127.0.0.1:0 --admin-listen 127.0.0.1:0 --nats-listen 127.0.0.1:0
` + "```" + `

` + "```clojure" + `
;; hoshi.edn
{:listen       "0.0.0.0:8080"
 :nats-url     ["nats://10.0.0.2:4222" "nats://10.0.0.3:4222"]
 :nats-creds   "/etc/hoshi/nats.creds"
 :queue-bytes  "4MiB"          ; or a number of bytes
 :overflow     :drop-oldest
 :channel-overflow [["price/*" :latest-only]    ; the first that matches counts
                    ["orders/*" :disconnect]]
 :channel-batch [["price/*" "50ms"]]
 :format       :transit
 :idle-timeout "90s"
 :log-level    :warn}
` + "```" + `

* Addresses are ` + "`host:port`" + `. An empty host is every interface. Port 0 lets the system choose; the one chosen is printed.
* Sizes are ` + "`512KiB`, `2MiB`" + ` or a number of bytes; durations ` + "`30s`, `500ms`" + `; switches ` + "`true` or `false`" + ` (` + "`--echo=false`" + ` overrides
  a file). Lists are separated by commas, in the file they are a vector of strings, and rules a vector of
  pairs. ` + "`nil`" + ` in the file is as if the key were left out.
* An unknown file key, and an unknown variable that begins with ` + "`HOSHI_`" + `, stop the start, and so does a wrong value: all of them are named
  together, and the exit code is 2. ` + "`HOSHI_SERVICE_*` and `HOSHI_PORT*`" + ` are passed over, since Kubernetes sets them where a service is
  called hoshi; for one that is called hoshi-something, set ` + "`enableServiceLinks: false`" + ` in the pod.
* Secrets are never printed or logged. Give them as variables or in the file, as flags show in ` + "`ps`" + `; or name a file that
  holds one, with ` + "`_FILE`" + ` behind the variable: ` + "`HOSHI_TOKEN_SECRET_FILE=/run/secrets/token`" + `. A line break at its end does not count.
* Issuers and rules are vectors of maps: in the file as they stand, on the command line and in a variable as EDN text.
  [access.md](access.md) has them, and everything else about who may come, and what for.
* [hoshi.example.edn](hoshi.example.edn), which ` + "`hoshi config example`" + ` prints, has every option with its help, commented out.
* ` + "`hoshi config check`" + ` takes what a node would, flags, variables and file, and says everything that would keep it from starting, files
  with keys and certificates included; exit code 0 or 2. It starts nothing and asks nobody.
* ` + "`hoshi config print`" + ` writes the options as they come out of all that, as a file with the same effect, with a comment on where each is
  from; ` + "`--changed`" + ` leaves out defaults. Secrets are commented out and not shown.
* ` + "`hoshi pub`, `hoshi tap`" + ` and their like read the same variables and file, and use what stands under NATS and General.
  ` + "`hoshi health`" + ` looks at ` + "`--admin-listen`" + ` alone: what is wrong elsewhere does not make a node unhealthy.
`
