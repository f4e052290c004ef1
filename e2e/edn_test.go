package e2e

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"math/rand/v2"
	"os/exec"
	"testing"
	"time"

	"github.com/hoshi-ws/hoshi/pkg/codec/edn"
)

// TestAgainstClojure gives generated and mutated texts to clojure.edn on the JVM and to pkg/codec/edn, and compares the verdicts
// and the values. What Clojure refuses must be refused: nothing of it may be relayed.
func TestAgainstClojure(t *testing.T) {
	const (
		count = 20_000
		seed  = 1
		limit = 60 * time.Second
	)
	t.Logf("%d texts of seed %d", count, seed)
	g := texts{rand.New(rand.NewPCG(seed, 0))}
	var cases []ednCase
	var input bytes.Buffer
	last := ""
	for len(cases) < count {
		text := g.text()
		c := newEDNCase(text)
		if len(cases)%2 == 1 {
			c = newEDNCase(g.mutate(text, last))
		}
		last = text
		cases = append(cases, c)
		for i, part := range [][]byte{c.text, c.written, c.canonical} {
			if i > 0 {
				input.WriteByte(' ')
			}
			if part == nil {
				input.WriteByte('-')
			}
			input.WriteString(base64.StdEncoding.EncodeToString(part))
		}
		input.WriteByte('\n')
	}

	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	began := time.Now()
	cmd := exec.CommandContext(ctx, "clojure", "clj/judge.clj")
	cmd.Stdin = &input
	var complaints bytes.Buffer
	cmd.Stderr = &complaints
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("clojure (Debian's package clojure; scripts/setup.sh installs it): %v\n%s", err, tail(complaints.String(), 2<<10))
	}
	t.Logf("judged in %v", time.Since(began).Round(time.Millisecond))

	verdicts := map[string]int{}
	lines := bufio.NewScanner(bytes.NewReader(out))
	accepted, stricter := 0, map[edn.Reason]int{}
	for i, c := range cases {
		if !lines.Scan() || len(lines.Text()) != 3 {
			t.Fatalf("%d verdicts of %d: %q", i, len(cases), lines.Text())
		}
		verdict := lines.Text()
		verdicts[verdict]++
		switch {
		case verdict[0] == 'r' && c.fault == nil:
			t.Errorf("Clojure refuses %q", c.text)
		case verdict[0] == 'a' && c.fault != nil:
			if !mayBeStricter(c) {
				t.Errorf("Clojure accepts %q: %v", c.text, c.fault)
			}
			stricter[c.fault.Reason]++
		case verdict[0] == 'a':
			accepted++
			if v := verdict[1]; v != '=' && v != '-' {
				t.Errorf("%q is written as %q, which is not the same: %c", c.text, c.written, v)
			}
			if v := verdict[2]; v != '=' && v != '-' {
				t.Errorf("%q has the canonical text %q, which is not equal: %c", c.text, c.canonical, v)
			}
		}
	}
	t.Logf("verdicts %v, stricter here: %v", verdicts, stricter)
	if accepted < count/4 || accepted > count*3/4 {
		t.Errorf("%d of %d texts are accepted: they say little", accepted, count)
	}
}

// ednCase is a text, and what this project makes of it.
type ednCase struct {
	text      []byte
	fault     *edn.Error // it is refused
	written   []byte     // by edn.Walk and edn.Writer; nil if it cannot be told to another format
	canonical []byte     // nil if it has no such text
}

func newEDNCase(text string) ednCase {
	c := ednCase{text: []byte(text)}
	c.fault, _ = errors.AsType[*edn.Error](edn.Check(c.text))
	if c.fault != nil {
		return c
	}
	var w edn.Writer
	w.Reset(nil)
	if edn.Walk(c.text, &w) == nil {
		c.written, _ = w.Bytes()
	}
	c.canonical, _ = edn.AppendCanonical(nil, c.text)
	return c
}

// mayBeStricter tells whether a text that Clojure accepts is refused for a reason that the documentation of the package names:
// depth, or a decimal that Clojure fails to hash, which it does not try in a small map.
func mayBeStricter(c ednCase) bool {
	return c.fault.Reason == edn.ReasonDepth || c.fault.Reason == edn.ReasonNumber && bytes.Contains(c.text[c.fault.Offset:], []byte("00e2147483647M"))
}
