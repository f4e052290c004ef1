package config

import (
	"fmt"
	"strings"
	"unicode"

	"github.com/alecthomas/kong"
)

// Sources says where the values of options come from that are not their defaults,
// by option: "--listen", "HOSHI_LISTEN" or "hoshi.edn :listen".
type Sources map[string]string

// options are those of a node with their values, in order, by group.
func options(s *Shared, n *Node) (map[string][]*kong.Flag, error) {
	grammar := struct {
		Shared
		Node
	}{*s, *n}
	return grouped(&grammar)
}

// grouped returns the options of a grammar by their groups, but for --config, which
// a file cannot have. An option whose group has no place in groupOrder would be
// left out, so it is an error.
func grouped(grammar any) (map[string][]*kong.Flag, error) {
	k, err := kong.New(grammar, append((&session{}).mappers(), kong.NoDefaultHelp())...)
	if err != nil {
		return nil, fmt.Errorf("build the options: %w", err)
	}
	groups := map[string][]*kong.Flag{}
	for _, f := range k.Model.Flags {
		if f.Group == nil || !placed(f.Group.Title) {
			return nil, fmt.Errorf("option --%s: its group is not in groupOrder", f.Name)
		}
		groups[f.Group.Title] = append(groups[f.Group.Title], f)
	}
	return groups, nil
}

// Print writes the options of a node, as they are, as a file that has the same
// effect: each with a comment that says where its value is from, or with changed
// only those that have one from somewhere. Options that are secret are commented
// out, and their values not shown: the file has them, or the variables, or nobody.
func Print(s *Shared, n *Node, from Sources, changed bool) (string, error) {
	groups, err := options(s, n)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	b.WriteString("{")
	for _, group := range groupOrder {
		headed := false
		for _, f := range groups[group] {
			source := from[f.Name]
			if f.Name == "config" || changed && source == "" {
				continue
			}
			if !headed {
				fmt.Fprintf(&b, "\n ;; %s\n", group)
				headed = true
			}
			value, secret := ednOption(f, f.Target)
			line := ":" + f.Name + " " + value
			if secret {
				line = ";; " + line
			}
			if source == "" {
				source = "default"
			}
			note := oneLine(source)
			if secret {
				note += ", with a secret that is not shown"
			}
			fmt.Fprintf(&b, " %-46s ; %s\n", line, note)
		}
	}
	b.WriteString(" }\n")
	return b.String(), nil
}

// oneLine keeps a text, such as the name of a file, within a comment.
func oneLine(text string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, text)
}

const exampleHead = `;; Every option of hoshi, with its default: remove the ; before a key, change its
;; value, and start the node with --config and the name of this file. Secrets are
;; better given by variables, HOSHI_NATS_PASSWORD or HOSHI_NATS_PASSWORD_FILE.
;; docs/config.md tells of the notation. To see whether all is well:
;;
;;   hoshi config check --config hoshi.edn
;;
;; This is what "hoshi config example" prints.
{`

// Example returns a file with every option commented out: its help, its default,
// and nil where it has none.
func Example() (string, error) {
	groups, err := grouped(&struct {
		Shared
		Node
	}{})
	if err != nil {
		return "", err
	}
	const width = 96
	var b strings.Builder
	b.WriteString(exampleHead)
	for _, group := range groupOrder {
		fmt.Fprintf(&b, "\n ;; ---- %s\n", group)
		for _, f := range groups[group] {
			if f.Name == "config" {
				continue
			}
			value, note := "nil", " ; "+f.PlaceHolder
			if f.IsBool() {
				value, note = "false", ""
			}
			if f.Default != "" {
				if err := set(f.Tag, f.Target, f.Default); err != nil {
					return "", fmt.Errorf("option --%s: its default %w", f.Name, err)
				}
				value, _ = ednOption(f, f.Target)
				note = ""
			}
			b.WriteByte('\n')
			for _, line := range wrap(helpWithBounds(f), width) {
				fmt.Fprintf(&b, " ;; %s\n", line)
			}
			fmt.Fprintf(&b, " ;:%s %s%s\n", f.Name, value, note)
		}
	}
	b.WriteString(" }\n")
	return b.String(), nil
}
