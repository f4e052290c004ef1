package config

import (
	"fmt"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
)

// commandIn returns the command that args ask for, the group of commands as far as
// they name no more, or root where that is the default one. It takes what kong would
// refuse, since it is for saying why.
func (s *session) commandIn(root *kong.Node, args []string) *kong.Node {
	node := root
	for i := 0; i < len(args); i++ {
		arg := args[i]
		if arg == "--" {
			break
		}
		if name, dashed := strings.CutPrefix(arg, "-"); dashed && name != "" {
			if s.hasValue(node, args, i) {
				i++
			}
			continue
		}
		next := child(node, arg)
		if next == nil {
			break
		}
		node = next
	}
	if node.Hidden {
		return root
	}
	return node
}

// hasValue reports whether what follows the option args[i] is its value, most likely
// where it is an unknown one. node is what has been asked for before.
func (s *session) hasValue(node *kong.Node, args []string, i int) bool {
	name, _, given := strings.Cut(strings.TrimLeft(args[i], "-"), "=")
	switch f := s.known[name]; {
	case given, i+1 == len(args), args[i] == "-h":
		return false
	case f != nil:
		return !f.IsBool()
	}
	return !strings.HasPrefix(args[i+1], "-") && child(node, args[i+1]) == nil
}

// child is the command of that name in a group of commands, nil where there is none.
func child(node *kong.Node, name string) *kong.Node {
	for _, c := range node.Children {
		if c.Name == name {
			return c
		}
	}
	return nil
}

// optionsFor are the names of the options that a command takes, in order. Those of
// root are those of the default command too.
func optionsFor(command *kong.Node) []string {
	var names []string
	for _, f := range ownFlags(command, command.Parent == nil) {
		names = append(names, f.Name)
	}
	slices.Sort(names)
	return names
}

// unknownOption says what an option that exists nowhere may have been meant for.
// command is what is asked for, and behind says that all words of that come before.
func unknownOption(command *kong.Node, name string, behind bool) string {
	if hint := didYouMean(name, optionsFor(command), func(n string) string { return "--" + n }); hint != "" {
		return hint
	}
	switch {
	case behind && len(command.Positional) > 0:
		return " (put -- before an argument that begins with a dash)"
	case command.Parent == nil && child(command, name) != nil:
		return ", did you mean hoshi " + name + "?"
	}
	return ", " + command.FullPath() + " --help-all shows those there are"
}

// maxOwners is how many commands are named as those that take an option.
const maxOwners = 3

// misplaced says whose option it is that stands where it is not taken. command is what
// is asked for.
func (s *session) misplaced(command *kong.Node, option string) string {
	name := strings.TrimLeft(option, "-")
	root := command
	for root.Parent != nil {
		root = root.Parent
	}
	not := command.FullPath()
	if command == root {
		not += " alone"
	}
	switch owners := ownersOf(root, name); {
	case slices.Contains(optionsFor(command), name) && command != root:
		return fmt.Sprintf("%s belongs behind %s", option, command.FullPath())
	case slices.Contains(optionsFor(root), name):
		return fmt.Sprintf("%s is an option of hoshi, not of %s", option, not)
	case len(owners) <= maxOwners:
		return fmt.Sprintf("%s is an option of %s, not of %s", option, strings.Join(owners, " and "), not)
	}
	return fmt.Sprintf("%s is an option of other commands, not of %s", option, not)
}

// ownersOf are the commands at and below node that take an option: the group, where
// all in it do.
func ownersOf(node *kong.Node, name string) []string {
	if slices.ContainsFunc(node.Flags, func(f *kong.Flag) bool { return f.Name == name }) {
		return []string{node.FullPath()}
	}
	var owners []string
	all := len(node.Children) > 0 && node.Parent != nil
	for _, c := range node.Children {
		if c.Hidden {
			continue
		}
		below := ownersOf(c, name)
		all = all && len(below) == 1 && below[0] == c.FullPath()
		owners = append(owners, below...)
	}
	if all {
		return []string{node.FullPath()}
	}
	return owners
}
