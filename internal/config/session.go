package config

import (
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
)

const envPrefix = "HOSHI_"

// session carries one call of Parse. It belongs to the goroutine of the call.
type session struct {
	known  map[string]*kong.Flag // every option, by name
	env    map[string]string     // the HOSHI_ variables
	path   string                // of the file, "" without one
	file   map[string]any        // its values, by key
	loaded bool

	checkEDN func(text []byte) error // may be nil
	own      map[string]bool         // options of a command that is alone, nil for any other

	source map[string]string // option -> where its value came from, where that is no flag
	blamed map[string]bool   // options that have a fault, so that one cause gives one fault
	faults []Fault
}

// fault notes what is wrong with the value of an option, once for each option.
func (s *session) fault(option, problem string) {
	if s.blamed[option] {
		return
	}
	s.blamed[option] = true
	source := s.source[option]
	if source == "" {
		source = "--" + option
	}
	s.faults = append(s.faults, Fault{source, problem})
}

// tell says where the values come from.
func (s *session) tell(sources Sources, ctx *kong.Context) {
	if sources == nil {
		return
	}
	maps.Copy(sources, s.source)
	for name := range flagsOf(ctx) {
		sources[name] = "--" + name
	}
}

// flagsOf are the options that the command line has.
func flagsOf(ctx *kong.Context) map[string]bool {
	given := map[string]bool{}
	for _, p := range ctx.Path {
		if p.Flag != nil && !p.Resolved {
			given[p.Flag.Name] = true
		}
	}
	return given
}

func envName(option string) string {
	return envPrefix + strings.ToUpper(strings.ReplaceAll(option, "-", "_"))
}

// fileEnvName is the variable that names a file with the value of an option that
// is secret: what containers are given secrets by.
func fileEnvName(option string) string { return envName(option) + "_FILE" }

func isMeta(f *kong.Flag) bool { return f.Tag.Has("meta") }

// load reads the file and looks for names that mean nothing. It runs before
// values are resolved, or at last when the command line could not be read.
func (s *session) load(ctx *kong.Context) error {
	if s.loaded { // kong calls once for each command and argument
		return nil
	}
	s.loaded = true
	if isAlone(ctx) {
		s.loadAlone(ctx)
		return nil
	}
	byEnv := map[string]bool{}
	var envNames, keys []string
	for name, f := range s.known {
		if isMeta(f) {
			continue
		}
		byEnv[envName(name)] = true
		envNames = append(envNames, envName(name))
		if f.Tag.Has("secret") {
			byEnv[fileEnvName(name)] = true
			envNames = append(envNames, fileEnvName(name))
		}
		if name != "config" {
			keys = append(keys, name)
		}
	}
	slices.Sort(envNames)
	slices.Sort(keys)
	for _, name := range slices.Sorted(maps.Keys(s.env)) {
		if !byEnv[name] && !injected(name) {
			s.faults = append(s.faults, Fault{name, "unknown variable" + envHint(name, envNames)})
		}
	}

	for _, e := range s.entries(ctx) {
		if e.problem != "" {
			s.faults = append(s.faults, Fault{s.path, e.problem})
			continue
		}
		if !slices.Contains(keys, e.key) {
			hint := didYouMean(strings.ToLower(e.key), keys, func(k string) string { return ":" + k })
			s.faults = append(s.faults, Fault{s.path + " :" + e.key, "unknown key" + hint})
			continue
		}
		s.file[e.key] = e.value
	}
	return nil
}

// loadAlone reads the file for a command that looks at its own options alone.
func (s *session) loadAlone(ctx *kong.Context) {
	s.own = map[string]bool{}
	for _, f := range ctx.Selected().Flags {
		s.own[f.Name] = true
	}
	given := flagsOf(ctx)
	open := false
	for _, f := range ctx.Selected().Flags {
		_, inEnv := s.env[envName(f.Name)]
		open = open || !isMeta(f) && !given[f.Name] && !inEnv
	}
	if !open {
		return
	}
	for _, e := range s.entries(ctx) {
		if e.problem == "" {
			s.file[e.key] = e.value
		}
	}
}

// entries reads the file, where there is one.
func (s *session) entries(ctx *kong.Context) []entry {
	s.file = map[string]any{}
	flag := s.known["config"]
	if flag == nil {
		return nil
	}
	s.path, _ = ctx.FlagValue(flag).(string)
	if env, ok := s.env[envName("config")]; ok && s.path == "" {
		s.path, s.source["config"] = env, envName("config")
	}
	if s.path == "" {
		return nil
	}
	entries, err := s.readFile(s.path)
	if err != nil {
		s.fault("config", s.path+": "+err.Error())
		return nil
	}
	return entries
}

// injected reports what Kubernetes puts into the environment of every pod of a
// namespace that has a service called hoshi.
func injected(name string) bool {
	return strings.HasPrefix(name, envPrefix+"SERVICE_") || strings.HasPrefix(name, envPrefix+"PORT")
}

// Kubernetes also injects variables for services called hoshi-something.
var serviceLink = regexp.MustCompile(`_(SERVICE_(HOST|PORT)|PORT(_\d+_(TCP|UDP))?)(_|$)`)

func envHint(name string, known []string) string {
	if serviceLink.MatchString(name) {
		return " (from a Kubernetes service? set enableServiceLinks: false in the pod)"
	}
	bare := make([]string, len(known)) // the common prefix would make everything look near
	for i, k := range known {
		bare[i] = strings.TrimPrefix(k, envPrefix)
	}
	return didYouMean(strings.TrimPrefix(name, envPrefix), bare, func(n string) string { return envPrefix + n })
}

// Validate implements kong.Resolver.
func (s *session) Validate(*kong.Application) error { return nil }

// Resolve implements kong.Resolver for options that no flag has set: the
// environment first, then the file. Doing both here, and telling kong nothing
// of variables, is what puts the environment above the file.
func (s *session) Resolve(_ *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
	if isMeta(flag) || s.own != nil && !s.own[flag.Name] {
		return nil, nil
	}
	if value, ok := s.env[envName(flag.Name)]; ok {
		s.source[flag.Name] = envName(flag.Name)
		if _, both := s.env[fileEnvName(flag.Name)]; both && flag.Tag.Has("secret") {
			s.fault(flag.Name, "only one of this and "+fileEnvName(flag.Name))
		}
		return value, nil
	}
	if path, ok := s.env[fileEnvName(flag.Name)]; ok && flag.Tag.Has("secret") {
		s.source[flag.Name] = fileEnvName(flag.Name)
		secret, err := readSecret(path)
		if err != nil {
			s.fault(flag.Name, err.Error())
			return nil, nil
		}
		return secret, nil
	}
	if value := s.file[flag.Name]; value != nil {
		s.source[flag.Name] = s.path + " :" + flag.Name
		return value, nil
	}
	return nil, nil
}
