package compose

import (
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
)

// buildContext is what a build may see: the files of the repository that .dockerignore
// lets through.
type buildContext struct {
	dir      string
	patterns []string
}

func readContext(dir string) (*buildContext, error) {
	b, err := os.ReadFile(filepath.Join(dir, ".dockerignore"))
	if err != nil {
		return nil, err
	}
	c := &buildContext{dir: dir}
	for line := range strings.Lines(string(b)) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			c.patterns = append(c.patterns, line)
		}
	}
	return c, nil
}

// has says whether a file of the repository is in the context: the last pattern that
// matches it, or a folder around it, decides.
func (c *buildContext) has(file string) bool {
	in := true
	for _, p := range c.patterns {
		p, not := strings.CutPrefix(p, "!")
		rx := strings.NewReplacer(`\*\*/`, `(.*/)?`, `\*`, `[^/]*`).Replace(regexp.QuoteMeta(p))
		if regexp.MustCompile(`^` + rx + `(/|$)`).MatchString(file) {
			in = not
		}
	}
	return in
}

// files lists those of the context below a path, which may be one.
func (c *buildContext) files(below string) ([]string, error) {
	var found []string
	top := filepath.Join(c.dir, below)
	err := filepath.WalkDir(top, func(file string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		rel, err := filepath.Rel(c.dir, file)
		if err == nil && c.has(filepath.ToSlash(rel)) {
			found = append(found, filepath.ToSlash(rel))
		}
		return err
	})
	return found, err
}

// copies checks and carries out what COPY lines take from the context, as files below
// dest in place of the folder of WORKDIR.
func (c *buildContext) copies(s *stage, vars map[string]string, dest string) error {
	for _, in := range s.lines {
		if in.word != "COPY" || in.flags["--from"] != "" {
			continue
		}
		words := strings.Fields(in.args)
		to := words[len(words)-1]
		for _, source := range words[:len(words)-1] {
			source, err := expand(source, vars)
			if err != nil {
				return err
			}
			files, err := c.files(source)
			if err != nil {
				return fmt.Errorf("COPY %s: %w", source, err)
			}
			if len(files) == 0 {
				return fmt.Errorf("COPY %s: .dockerignore leaves nothing of it", source)
			}
			for _, file := range files {
				name := path.Join(strings.TrimPrefix(to, "/"), strings.TrimPrefix(file, source))
				if file == source {
					name = path.Join(strings.TrimPrefix(to, "/"), path.Base(file))
				}
				if err := copyFile(filepath.Join(c.dir, file), filepath.Join(dest, name)); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

func copyFile(from, to string) error {
	b, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	info, err := os.Stat(from)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	return os.WriteFile(to, b, info.Mode().Perm())
}
