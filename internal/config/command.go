package config

import (
	"context"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
)

// Command is what a command line asks for, as [Parse] returns it. The zero value
// does nothing.
type Command struct {
	Name string // its words, "" for the default one

	ctx *kong.Context
}

// Run calls the method Run of the command's struct, and returns its error. The types of
// its parameters are among context.Context, those of bindings, and pointers to the
// structs that the command is in; another one is an error.
func (c Command) Run(ctx context.Context, bindings ...any) error {
	if c.ctx == nil {
		return nil
	}
	c.ctx.BindTo(ctx, (*context.Context)(nil))
	return c.ctx.Run(bindings...)
}

// commandOf is the name of the selected command.
func commandOf(ctx *kong.Context) string {
	node := ctx.Selected()
	if node == nil || node.Hidden {
		return ""
	}
	var words []string
	for ; node != nil && node.Parent != nil; node = node.Parent {
		words = append(words, node.Name)
	}
	slices.Reverse(words)
	return strings.Join(words, " ")
}

// structOf is a pointer to the struct of the selected command, or nil.
func structOf(ctx *kong.Context) any {
	if node := ctx.Selected(); node != nil {
		return node.Target.Addr().Interface()
	}
	return nil
}

// isAlone reports whether the selected command looks at its own options and at
// nothing else: unknown variables and keys are no fault of its, and the file is read
// only where an option is given in no other way.
func isAlone(ctx *kong.Context) bool {
	node := ctx.Selected()
	return node != nil && node.Tag.Has("alone")
}
