package compose

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// root is that of the repository.
const root = "../../.."

// instruction is one line of a Dockerfile, its continuations joined.
type instruction struct {
	word  string // upper case
	flags map[string]string
	args  string
}

// stage is what stands between two FROM.
type stage struct {
	base, name string // base with its arguments filled in
	lines      []instruction
}

// recipe is a Dockerfile for given build arguments.
type recipe struct {
	globals map[string]string // ARG before the first FROM
	stages  []stage
}

// parseDockerfile reads the part of the language that our file is written in, and
// refuses the rest.
func parseDockerfile(text string, args map[string]string) (*recipe, error) {
	known := []string{"FROM", "ARG", "ENV", "COPY", "RUN", "WORKDIR", "USER", "EXPOSE", "ENTRYPOINT", "HEALTHCHECK", "STOPSIGNAL"}
	r := &recipe{globals: map[string]string{}}
	for n, line := range strings.Split(text, "\n") {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		if strings.HasSuffix(line, `\`) {
			return nil, fmt.Errorf("line %d: continuations are not read", n+1)
		}
		word, rest, _ := strings.Cut(line, " ")
		in := instruction{word: word, flags: map[string]string{}, args: strings.TrimSpace(rest)}
		if !slices.Contains(known, word) {
			return nil, fmt.Errorf("line %d: unknown instruction %s", n+1, word)
		}
		for strings.HasPrefix(in.args, "--") {
			flag, rest, _ := strings.Cut(in.args, " ")
			key, value, _ := strings.Cut(flag, "=")
			in.flags[key] += value + " "
			in.args = strings.TrimSpace(rest)
		}
		switch {
		case word == "FROM":
			words := strings.Fields(in.args)
			if len(words) != 3 || words[1] != "AS" {
				return nil, fmt.Errorf("line %d: want FROM base AS name", n+1)
			}
			base, err := expand(words[0], r.globals)
			if err != nil {
				return nil, fmt.Errorf("line %d: %w", n+1, err)
			}
			r.stages = append(r.stages, stage{base: base, name: words[2]})
		case len(r.stages) == 0:
			if word != "ARG" {
				return nil, fmt.Errorf("line %d: %s before FROM", n+1, word)
			}
			name, value, _ := strings.Cut(in.args, "=")
			r.globals[name] = value
			if v, ok := args[name]; ok {
				r.globals[name] = v
			}
		default:
			s := &r.stages[len(r.stages)-1]
			s.lines = append(s.lines, in)
		}
	}
	return r, nil
}

var variable = regexp.MustCompile(`\$(\w+|\{\w+\})`)

func expand(s string, vars map[string]string) (string, error) {
	var err error
	s = variable.ReplaceAllStringFunc(s, func(v string) string {
		name := strings.Trim(v, "${}")
		value, ok := vars[name]
		if !ok {
			err = errors.Join(err, fmt.Errorf("there is no argument %s", name))
		}
		return value
	})
	return s, err
}

// stage returns the stage of that name.
func (r *recipe) stage(name string) *stage {
	for i := range r.stages {
		if r.stages[i].name == name {
			return &r.stages[i]
		}
	}
	return nil
}

// needs lists the stages that the build of one asks for, itself last.
func (r *recipe) needs(name string) ([]*stage, error) {
	s := r.stage(name)
	if s == nil {
		return nil, fmt.Errorf("there is no stage %s", name)
	}
	var all []*stage
	add := func(other string) error {
		more, err := r.needs(other)
		for _, m := range more {
			if !slices.Contains(all, m) {
				all = append(all, m)
			}
		}
		return err
	}
	if r.stage(s.base) != nil {
		if err := add(s.base); err != nil {
			return nil, err
		}
	} else if s.base != "scratch" && !regexp.MustCompile(`^[a-z/]+:\d[\w.-]*$`).MatchString(s.base) {
		return nil, fmt.Errorf("stage %s: base %s has no version", name, s.base)
	}
	for _, in := range s.lines {
		if from := strings.TrimSpace(in.flags["--from"]); in.word == "COPY" && from != "" {
			if err := add(from); err != nil {
				return nil, fmt.Errorf("stage %s: %w", name, err)
			}
		}
	}
	return append(all, s), nil
}

// args are the arguments that a line of a stage sees.
func (s *stage) args(given map[string]string) map[string]string {
	vars := map[string]string{}
	for _, in := range s.lines {
		if in.word == "ARG" {
			name, value, _ := strings.Cut(in.args, "=")
			vars[name] = value
			if v, ok := given[name]; ok {
				vars[name] = v
			}
		}
	}
	return vars
}

// image is how a container of a stage runs.
type image struct {
	entrypoint, health []string
	env                []string
	user, stopSignal   string
}

func (s *stage) image() (image, error) {
	var im image
	var errs []error
	list := func(text string) (words []string) {
		if err := json.Unmarshal([]byte(text), &words); err != nil {
			errs = append(errs, fmt.Errorf("%s is no list: %w", text, err))
		}
		return words
	}
	for _, in := range s.lines {
		switch in.word {
		case "ENTRYPOINT":
			im.entrypoint = list(in.args)
		case "HEALTHCHECK":
			im.health = list(strings.TrimPrefix(in.args, "CMD "))
			for _, flag := range []string{"--interval", "--timeout", "--start-period"} {
				if d, err := time.ParseDuration(strings.TrimSpace(in.flags[flag])); err != nil || d <= 0 {
					errs = append(errs, fmt.Errorf("HEALTHCHECK %s: %q", flag, in.flags[flag]))
				}
			}
		case "ENV":
			im.env = append(im.env, in.args)
		case "USER":
			im.user = in.args
		case "STOPSIGNAL":
			im.stopSignal = in.args
		}
	}
	return im, errors.Join(errs...)
}

// readDockerfile returns ours for these build arguments.
func readDockerfile(t *testing.T, args map[string]string) *recipe {
	t.Helper()
	r, err := parseDockerfile(read(t, "Dockerfile"), args)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// read returns a file of the repository.
func read(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(root, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// checkImage is what holds of both images, of each of our two ways to build them.
func checkImage(r *recipe, target string) error {
	all, err := r.needs(target)
	if err != nil {
		return err
	}
	s := all[len(all)-1]
	im, err := s.image()
	errs := []error{err}
	fault := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if s.base != "scratch" {
		fault("%s is built on %s", target, s.base)
	}
	if im.user != "65532:65532" {
		fault("%s runs as %q", target, im.user)
	}
	if len(im.entrypoint) != 1 || im.entrypoint[0] != "/"+target {
		fault("%s runs %q", target, im.entrypoint)
	}
	if len(im.health) != 2 || im.health[0] != "/"+target || im.health[1] != "health" {
		fault("%s checks its health by %q", target, im.health)
	}
	for _, in := range s.lines {
		if in.word == "RUN" {
			fault("%s runs something, and has no shell", target)
		}
	}
	return errors.Join(errs...)
}

func TestDockerfile(t *testing.T) {
	for _, target := range []string{"hoshi", "example"} {
		for source, want := range map[string][]string{"build": {"build", "files", target}, "prebuilt": {"prebuilt", "files", target}} {
			r := readDockerfile(t, map[string]string{"SOURCE": source})
			if err := checkImage(r, target); err != nil {
				t.Errorf("%s: %v", source, err)
			}
			all, err := r.needs(target)
			if err != nil {
				t.Fatal(err)
			}
			var names []string
			for _, s := range all {
				names = append(names, s.name)
			}
			if !slices.Equal(names, want) {
				t.Errorf("%s of %s takes the stages %q, want %q", target, source, names, want)
			}
		}
	}
	r := readDockerfile(t, nil)
	if last := r.stages[len(r.stages)-1].name; last != "hoshi" {
		t.Errorf("without a target %s is built", last)
	}
	// Releases are built with that one: nothing is known of its standard library.
	toolchain := regexp.MustCompile(`(?m)^toolchain go(\S+)`).FindStringSubmatch(read(t, "tools/vulndb/go.mod"))
	if toolchain == nil || r.stage("build").base != "golang:"+toolchain[1] {
		t.Errorf("the image is built with %s, and releases with %q", r.stage("build").base, toolchain)
	}
	c, err := readContext(root)
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{".git/config", ".env", "docker-compose.yml", "e2e/doc.go", "deploy/k8s/secret.yml", ".out/hoshi", "cmd/node/node_test.go"} {
		if c.has(secret) {
			t.Errorf("the build sees %s", secret)
		}
	}
	if !c.has(".out/image/hoshi/hoshi") {
		t.Error("the build does not see a prebuilt binary")
	}
}

// TestDockerfileFaults holds that the checks find what they are for.
func TestDockerfileFaults(t *testing.T) {
	text := read(t, "Dockerfile")
	for _, tt := range []struct{ name, old, new, want string }{
		{"no user", "USER 65532:65532\n", "", `runs as ""`},
		{"a shell", `ENTRYPOINT ["/hoshi"]`, "ENTRYPOINT /hoshi", "no list"},
		{"no stage", "--from=files /out/hoshi/", "--from=flies /out/hoshi/", "no stage flies"},
		{"no version", "golang:1.27.3", "golang:latest", "no version"},
		{"a base", "FROM scratch AS hoshi", "FROM alpine:3.22 AS hoshi", "built on alpine"},
		{"a step", "STOPSIGNAL SIGTERM", "RUN true", "no shell"},
		{"no health", `CMD ["/hoshi", "health"]`, `CMD ["/hoshi", "version"]`, "checks its health"},
		{"a slip", "STOPSIGNAL", "STOPSINGAL", "unknown instruction"},
		{"an argument", "FROM ${SOURCE}", "FROM ${SAUCE}", "no argument SAUCE"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			broken := strings.ReplaceAll(text, tt.old, tt.new)
			if broken == text {
				t.Fatalf("there is no %q", tt.old)
			}
			r, err := parseDockerfile(broken, nil)
			if err == nil {
				err = checkImage(r, "hoshi")
			}
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%v, want %q", err, tt.want)
			}
		})
	}
}
