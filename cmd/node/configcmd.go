package main

import (
	"fmt"

	"github.com/hoshi-ws/hoshi/internal/config"
)

type configCmd struct {
	Check   configCheckCmd   `cmd:"" help:"say what is wrong with the options of a node"`
	Print   configPrintCmd   `cmd:"" help:"print the options of a node, and where each is from"`
	Example configExampleCmd `cmd:"" alone:"" help:"print a file with every option commented out"`
}

type configCheckCmd struct{ nodeOptions }

type configPrintCmd struct {
	nodeOptions

	Changed bool `name:"changed" help:"Only those that are given somewhere." meta:""`
}

type configExampleCmd struct{}

// Help implements kong.HelpProvider.
func (configCheckCmd) Help() string {
	return `  hoshi config check --config hoshi.edn    and the variables that there are

It takes the options of a node, and reports what would keep one with them from
starting, all of it, keys, rules and certificates included; exit code 0 or 2. It
starts nothing, opens no port, and asks nobody: whether ports are free, NATS is
there and key sets can be fetched is seen by the start.`
}

// Help implements kong.HelpProvider.
func (configPrintCmd) Help() string {
	return `  hoshi config print --config hoshi.edn --changed

What it prints is a file with the same effect, but for secrets: those are
commented out, and not shown.`
}

// Help implements kong.HelpProvider.
func (configExampleCmd) Help() string { return `  hoshi config example > hoshi.edn` }

// Run says that all is well, which it is where it is called, and what one should
// know nevertheless.
func (k *configCheckCmd) Run(s *config.Shared, out output) error {
	k.ApplyDev()
	for _, w := range warnings(s, &k.Node) {
		fmt.Fprintf(out.stderr, "hoshi: warning: --%s %s: %s\n", w.option, w.value, w.text)
	}
	_, err := fmt.Fprintln(out.stdout, "ok")
	return err
}

func (k *configPrintCmd) Run(s *config.Shared, from config.Sources, out output) error {
	for _, option := range k.ApplyDev() {
		from[option] = "--dev"
	}
	text, err := config.Print(s, &k.Node, from, k.Changed)
	if err == nil {
		_, err = fmt.Fprint(out.stdout, text)
	}
	return err
}

func (configExampleCmd) Run(out output) error {
	text, err := config.Example()
	if err == nil {
		_, err = fmt.Fprint(out.stdout, text)
	}
	return err
}
