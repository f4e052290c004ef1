package config

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
)

// Help is embedded by a grammar to give it --help and --help-all.
type Help struct {
	Help    helpFlag    `name:"help" short:"h" help:"Show this." meta:"" hidden:""`
	HelpAll helpAllFlag `name:"help-all" help:"Show every option." meta:"" hidden:""`
}

type helpFlag bool

// IgnoreDefault keeps kong from choosing the default command first.
func (helpFlag) IgnoreDefault() {}

// BeforeReset implements kong's hook: it prints and exits.
func (helpFlag) BeforeReset(ctx *kong.Context) error { return helpAndExit(ctx, false) }

type helpAllFlag bool

// IgnoreDefault keeps kong from choosing the default command first.
func (helpAllFlag) IgnoreDefault() {}

// BeforeReset implements kong's hook: it prints and exits.
func (helpAllFlag) BeforeReset(ctx *kong.Context) error { return helpAndExit(ctx, true) }

func helpAndExit(ctx *kong.Context, all bool) error {
	printed := ctx.Selected()
	if printed == nil || printed.Hidden {
		printed = ctx.Model.Node
	}
	writeHelp(ctx.Stdout, printed, all)
	ctx.Exit(0)
	return nil
}

// printHelp is what kong calls where it wants help of its own accord.
func printHelp(_ kong.HelpOptions, ctx *kong.Context) error {
	writeHelp(ctx.Stdout, ctx.Model.Node, false)
	return nil
}

const helpWidth = 80

// groupOrder is the order of groups in help and in docs/config.md. A group that
// is not in it (options of one call) comes first.
var groupOrder = []string{"Development", "Listeners", "Transport", "NATS", "Cluster", "Access", "Call-outs", "Connections", "Limits", "Channels", "Sente", "Bus", "Stopping", "Tracing", "Machine", "General"}

// writeHelp prints what a command is for, how it is called, and its options.
// For the program itself the options of the default command count as its own.
func writeHelp(w io.Writer, node *kong.Node, all bool) {
	root := node.Parent == nil
	flags := ownFlags(node, root)
	if root {
		fmt.Fprintf(w, "%s\n\n", node.Help)
		fmt.Fprintf(w, "  %-34s run a node\n", node.Name+" [OPTIONS]")
	} else {
		fmt.Fprintf(w, "Usage: %s [OPTIONS]\n\n%s\n", usage(node), node.Help)
	}
	for _, c := range node.Children {
		if c.Hidden {
			continue
		}
		if root && len(c.Children) > 0 {
			for _, g := range c.Children {
				fmt.Fprintf(w, "  %-34s %s\n", usage(g), g.Help)
			}
			continue
		}
		if !root && len(c.Children) == 0 && c == node.Children[0] {
			fmt.Fprintln(w)
		}
		fmt.Fprintf(w, "  %-34s %s\n", usage(c), c.Help)
	}
	if node.Detail != "" {
		fmt.Fprintf(w, "\n%s\n", strings.TrimRight(node.Detail, "\n"))
	}
	tuned := writeFlags(w, flags, all)
	fmt.Fprint(w, "\nAn option is also a variable, HOSHI_NATS_URL, and a key of the file, :nats-url.\n")
	if tuned {
		rest := "credentials"
		if root {
			rest = "access, formats, limits, timeouts, credentials"
		}
		fmt.Fprintf(w, "%s --help-all shows the rest: %s.\n", node.FullPath(), rest)
	}
}

// ownFlags lists the options of node and of what encloses it.
func ownFlags(node *kong.Node, root bool) []*kong.Flag {
	var flags []*kong.Flag
	for n := node; n != nil; n = n.Parent {
		if root && n.DefaultCmd != nil {
			flags = append(flags, n.DefaultCmd.Flags...)
		}
		flags = append(flags, n.Flags...)
	}
	return flags
}

// writeFlags prints options by group and reports whether any was left out.
func writeFlags(w io.Writer, flags []*kong.Flag, all bool) (leftOut bool) {
	var groups []string
	byGroup := map[string][]*kong.Flag{}
	for _, f := range flags {
		if f.Hidden {
			continue
		}
		if f.Tag.Has("tune") && !all {
			leftOut = true
			continue
		}
		group := "Options"
		if f.Group != nil {
			group = f.Group.Title
		}
		if _, ok := byGroup[group]; !ok {
			groups = append(groups, group)
		}
		byGroup[group] = append(byGroup[group], f)
	}
	slices.SortStableFunc(groups, func(a, b string) int {
		return cmp.Compare(slices.Index(groupOrder, a), slices.Index(groupOrder, b))
	})
	const column = 30
	for _, group := range groups {
		fmt.Fprintf(w, "\n%s\n", group)
		for _, f := range byGroup[group] {
			left := "  --" + f.Name
			if !f.IsBool() {
				left += " " + f.PlaceHolder
			}
			help := f.Help
			if all {
				help = fullHelp(f)
			}
			if f.Default != "" && f.Default != "false" {
				help += " [" + f.Default + "]"
			}
			lines := wrap(help, helpWidth-column)
			if len(left) >= column {
				fmt.Fprintln(w, left)
				left = ""
			}
			for _, line := range lines {
				fmt.Fprintf(w, "%-*s%s\n", column, left, line)
				left = ""
			}
		}
	}
	return leftOut
}

// fullHelp is all that the tags say of an option.
func fullHelp(f *kong.Flag) string {
	return strings.TrimSpace(f.Help + " " + f.Tag.Get("more"))
}

func wrap(text string, width int) []string {
	var lines []string
	line := ""
	for word := range strings.FieldsSeq(text) {
		if line != "" && len(line)+1+len(word) > width {
			lines, line = append(lines, line), ""
		}
		if line != "" {
			line += " "
		}
		line += word
	}
	return append(lines, line)
}
