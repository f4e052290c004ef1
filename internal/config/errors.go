package config

import "strings"

// Fault is one thing wrong with what the program was given.
type Fault struct {
	// Source is where it was found, in the words of whoever wrote it: a flag
	// ("--listen"), a variable ("HOSHI_LISTEN") or a file and key
	// ("hoshi.edn :listen"). Empty where the whole command line is meant.
	Source string
	// Problem says what is wrong and, where there is one, what to write
	// instead. It never quotes a secret.
	Problem string
}

func (f Fault) String() string {
	if f.Source == "" {
		return f.Problem
	}
	return f.Source + ": " + f.Problem
}

// Error holds every fault that was found, in the order flags, environment,
// file, relations between options. It is never empty.
type Error struct{ Faults []Fault }

// Error puts each fault on a line of its own.
func (e *Error) Error() string {
	lines := make([]string, len(e.Faults))
	for i, f := range e.Faults {
		lines[i] = f.String()
	}
	return strings.Join(lines, "\n")
}
