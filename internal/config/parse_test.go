package config_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/hoshi-ws/hoshi/internal/config"
)

// grammar has the shape of the real one: shared options above the commands, a
// hidden default command that runs the node.
type grammar struct {
	config.Help
	config.Shared

	Run struct {
		config.Node
	} `cmd:"" hidden:"" default:"withargs"`
	Pub struct {
		User struct {
			UID   string `arg:"" name:"uid"`
			Event string `arg:"" name:"event"`
		} `cmd:"" help:"Push to a user."`
		All struct {
			Event string `arg:"" name:"event"`
		} `cmd:"" help:"Push to everyone."`
	} `cmd:"" help:"Push from a shell."`
	Health struct {
		config.Admin
		Live bool `name:"live" meta:"" help:"Only whether it runs."`
	} `cmd:"" alone:"" help:"Ask how it is."`
	Version struct{} `cmd:"" alone:"" help:"Say what this is."`
}

func (g *grammar) Check(command any, report config.Report) {
	g.Shared.Check(report)
	if command == any(&g.Run) {
		g.Run.Check(&g.Shared, report)
	}
}

// parse runs Parse with a file of the given text, "FILE" in the arguments and
// the environment standing for its path.
func parse(t *testing.T, args, env []string, file string) (*grammar, string, []string) {
	t.Helper()
	return parseFrom(t, nil, args, env, file)
}

// parseFrom is parse, which tells from where values come.
func parseFrom(t *testing.T, from config.Sources, args, env []string, file string) (*grammar, string, []string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "hoshi.edn")
	if err := os.WriteFile(path, []byte(file), 0o600); err != nil {
		t.Fatal(err)
	}
	put := func(in []string) []string {
		out := make([]string, len(in))
		for i, s := range in {
			out[i] = s
			if before, ok := strings.CutSuffix(s, "FILE"); ok && (before == "" || strings.HasSuffix(before, "=")) {
				out[i] = before + path
			}
		}
		return out
	}
	g := &grammar{}
	command, err := config.Parse(g, config.Invocation{
		Args: put(args), Env: put(env), Stdout: t.Output(),
		Exit:    func(int) { t.Error("exit was called") },
		Sources: from,
	})
	if err == nil {
		return g, command.Name, nil
	}
	e, ok := errors.AsType[*config.Error](err)
	if !ok {
		t.Fatalf("not an *Error: %v", err)
	}
	var faults []string
	for _, f := range e.Faults {
		faults = append(faults, strings.ReplaceAll(f.String(), path, "hoshi.edn"))
	}
	return g, command.Name, faults
}

func TestPrecedence(t *testing.T) {
	for _, tt := range []struct {
		name string
		args []string
		env  []string
		file string
		want config.Addr
	}{
		{name: "default", want: "127.0.0.1:8080"},
		{name: "file over default", args: []string{"--config", "FILE"}, file: `{:listen "127.0.0.1:1"}`, want: "127.0.0.1:1"},
		{name: "file named by variable", env: []string{"HOSHI_CONFIG=FILE"}, file: `{:listen "127.0.0.1:1"}`, want: "127.0.0.1:1"},
		{name: "nil in the file is the default", args: []string{"--config", "FILE"}, file: `{:listen nil}`, want: "127.0.0.1:8080"},
		{name: "environment over default", env: []string{"HOSHI_LISTEN=127.0.0.1:2"}, want: "127.0.0.1:2"},
		{name: "environment over file", args: []string{"--config=FILE"}, env: []string{"HOSHI_LISTEN=127.0.0.1:2"}, file: `{:listen "127.0.0.1:1"}`, want: "127.0.0.1:2"},
		{name: "flag over environment", args: []string{"--listen", "127.0.0.1:3"}, env: []string{"HOSHI_LISTEN=127.0.0.1:2"}, want: "127.0.0.1:3"},
		{name: "flag over environment and file", args: []string{"--config=FILE", "--listen=127.0.0.1:3"}, env: []string{"HOSHI_LISTEN=127.0.0.1:2"}, file: `{:listen "127.0.0.1:1"}`, want: "127.0.0.1:3"},
		{name: "flag over a wrong variable", args: []string{"--listen=127.0.0.1:3"}, env: []string{"HOSHI_LISTEN=nonsense"}, want: "127.0.0.1:3"},
		{name: "file flag over file variable", args: []string{"--config=FILE"}, env: []string{"HOSHI_CONFIG=/none"}, file: `{:listen "127.0.0.1:1"}`, want: "127.0.0.1:1"},
		{name: "injected by kubernetes", env: []string{"HOSHI_SERVICE_HOST=10.0.0.1", "HOSHI_PORT=tcp://10.0.0.1:80", "HOSHI_PORT_80_TCP_ADDR=10.0.0.1"}, want: "127.0.0.1:8080"},
		{name: "not ours", env: []string{"HOSHINO=1", "PATH=/bin"}, want: "127.0.0.1:8080"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			g, _, faults := parse(t, tt.args, tt.env, tt.file)
			if faults != nil {
				t.Fatalf("faults: %q", faults)
			}
			if g.Run.Listen != tt.want {
				t.Errorf("listen = %q, want %q", g.Run.Listen, tt.want)
			}
		})
	}
}

func TestEveryType(t *testing.T) {
	file := `
;; a comment
{:nats-listen "127.0.0.1:0", :nats-routes ["127.0.0.1:1" "127.0.0.1:2"] #_:nope #_1
 :nats-cluster-listen "127.0.0.1:0"
 :queue-bytes "4MiB" :max-message 2048 :queue-messages 7 :ping-interval "1s" :idle-timeout "1m30s"
 :echo true :channel-auto-create false :channel-patterns "a,b" :log-level :debug :prefix "other"}`
	g, _, faults := parse(t, []string{"--config", "FILE"}, nil, file)
	if faults != nil {
		t.Fatalf("faults: %q", faults)
	}
	want := []any{
		config.Addr("127.0.0.1:0"),
		[]string{"127.0.0.1:1", "127.0.0.1:2"},
		config.Size(4 << 20), config.Size(2048), 7,
		time.Second, 90 * time.Second, true, false,
		[]string{"a", "b"},
		"debug", "other",
	}
	n := g.Run
	got := []any{
		n.NATSListen, n.NATSRoutes, n.QueueBytes, n.MaxMessage, n.QueueMessages,
		n.PingInterval, n.IdleTimeout, n.Echo, n.ChannelAutoCreate, n.ChannelPatterns, n.LogLevel, g.Prefix,
	}
	for i := range want {
		if !reflect.DeepEqual(got[i], want[i]) {
			t.Errorf("%d: got %v, want %v", i, got[i], want[i])
		}
	}

	env := []string{"HOSHI_ECHO=true", "HOSHI_QUEUE_BYTES=1KiB", "HOSHI_NATS_URL=nats://a:1, nats://b:2", "HOSHI_LINGER=1ms"}
	g, _, faults = parse(t, []string{"--echo=false", "--channel-patterns=a", "--channel-patterns", "b,c"}, env, "")
	if faults != nil {
		t.Fatalf("faults: %q", faults)
	}
	if g.Run.Echo || g.Run.QueueBytes != 1024 || g.Run.Linger != time.Millisecond {
		t.Errorf("echo %v, queue bytes %v, linger %v", g.Run.Echo, g.Run.QueueBytes, g.Run.Linger)
	}
	if !reflect.DeepEqual(g.NATSURL, []string{"nats://a:1", "nats://b:2"}) || !reflect.DeepEqual(g.Run.ChannelPatterns, []string{"a", "b", "c"}) {
		t.Errorf("nats url %q, patterns %q", g.NATSURL, g.Run.ChannelPatterns)
	}
}

func TestFaults(t *testing.T) {
	for _, tt := range []struct {
		name string
		args []string
		env  []string
		file string
		want []string
	}{
		{name: "unknown flag", args: []string{"--listn", "x"}, want: []string{"unknown option --listn, did you mean --listen?"}},
		{name: "unknown flag without a near one", args: []string{"--wombat"}, want: []string{"unknown option --wombat, hoshi --help-all shows those there are"}},
		{name: "unknown flag of a command", args: []string{"pub", "all", "-5"}, want: []string{"unknown option -5 (put -- before an argument that begins with a dash)"}},
		{name: "a number below 0", args: []string{"--queue-messages", "-1"}, want: []string{`--queue-messages: "-1" is too small, the least is 1`}},
		{name: "a time below 0", args: []string{"--idle-timeout", "-5s", "--echo"}, want: []string{`--idle-timeout: "-5s" is too small, the least is 200ms`}},
		{name: "a number below 0 of a switch", args: []string{"--echo", "-1"}, want: []string{"unknown option -1, hoshi --help-all shows those there are"}},
		{name: "a command as a flag", args: []string{"--version"}, want: []string{"unknown option --version, did you mean hoshi version?"}},
		{name: "a flag as a command", args: []string{"dev"}, want: []string{"unknown command dev, did you mean --dev?"}},
		{name: "help as a command", args: []string{"help"}, want: []string{"unknown command help, did you mean --help?"}},
		{name: "a switch with a word behind it", args: []string{"--echo", "false"}, want: []string{"unknown command false: a switch takes its value like --echo=false"}},
		{name: "one dash", args: []string{"-dev"}, want: []string{"unknown option -dev, did you mean --dev?"}},
		{name: "near to one of the node, for a command", args: []string{"health", "--lisen=x"}, want: []string{"unknown option --lisen, hoshi health --help-all shows those there are"}},
		{name: "near to one of a command, for the node", args: []string{"--lve"}, want: []string{"unknown option --lve, hoshi --help-all shows those there are"}},
		{name: "near to one of another command", args: []string{"pub", "all", "x", "--lve"}, want: []string{"unknown option --lve (put -- before an argument that begins with a dash)"}},
		{name: "near to one of the command", args: []string{"health", "--lve"}, want: []string{"unknown option --lve, did you mean --live?"}},
		{name: "near to one of the command, before it", args: []string{"--lve", "health"}, want: []string{"unknown option --lve, did you mean --live?"}},
		{name: "near to one that all take", args: []string{"pub", "all", "x", "--nats-ulr", "x"}, want: []string{"unknown option --nats-ulr, did you mean --nats-url?"}},
		{name: "in a group", args: []string{"pub", "--ech", "all", "x"}, want: []string{"unknown option --ech, hoshi pub all --help-all shows those there are"}},
		{name: "a command as a flag of another", args: []string{"health", "--version"}, want: []string{"unknown option --version, hoshi health --help-all shows those there are"}},
		{name: "one of a command, for the node", args: []string{"--live"}, want: []string{"--live is an option of hoshi health, not of hoshi alone"}},
		{name: "one of a command, for another", args: []string{"pub", "all", "x", "--live"}, want: []string{"--live is an option of hoshi health, not of hoshi pub all"}},
		{name: "one of a command, for a group", args: []string{"pub", "--live"}, want: []string{"--live is an option of hoshi health, not of hoshi pub"}},
		{name: "one of the command, before it", args: []string{"--live", "health"}, want: []string{"--live belongs behind hoshi health"}},
		{name: "one of both, before the command", args: []string{"--admin-listen", ":1", "health"}, want: []string{"--admin-listen belongs behind hoshi health"}},
		{name: "a flag of another command as a command", args: []string{"pub", "live"}, want: []string{"unknown command live: want one of user, all"}},
		{name: "unknown flag before a command", args: []string{"--ech", "pub", "all", "[:a/b]"}, want: []string{"unknown option --ech, hoshi pub all --help-all shows those there are"}},
		{name: "unknown command", args: []string{"verson"}, want: []string{"unknown command verson, did you mean hoshi version?"}},
		{name: "unknown pub", args: []string{"pub", "usr", "a", "b"}, want: []string{"unknown command usr, did you mean hoshi pub user?"}},
		{name: "pub alone", args: []string{"pub"}, want: []string{"want hoshi pub user|all ..."}},
		{name: "too few arguments", args: []string{"pub", "user", "alice"}, want: []string{"want hoshi pub user UID EVENT"}},
		{name: "too many arguments", args: []string{"pub", "all", "[:a/b", "1]"}, want: []string{"hoshi pub all does not take a further argument 1]; quote an event that holds spaces"}},
		{name: "a node's option on pub", args: []string{"pub", "all", "x", "--echo"}, want: []string{"--echo is an option of hoshi, not of hoshi pub all"}},
		{name: "a node's option before pub", args: []string{"--echo", "pub", "all", "x"}, want: []string{"--echo is an option of hoshi, not of its commands"}},
		{name: "no value", args: []string{"--listen"}, want: []string{"--listen: needs a value"}},
		{name: "no value before another", args: []string{"--listen", "--dev"}, want: []string{"--listen: needs a value"}},
		{name: "unknown variable", env: []string{"HOSHI_LISTN=x"}, want: []string{"HOSHI_LISTN: unknown variable, did you mean HOSHI_LISTEN?"}},
		{name: "unknown variable with pub", args: []string{"pub", "all", "[:a/b]"}, env: []string{"HOSHI_WOMBAT=x"}, want: []string{"HOSHI_WOMBAT: unknown variable"}},
		{name: "another service of kubernetes", env: []string{"HOSHI_NATS_SERVICE_HOST=10.0.0.1"}, want: []string{"HOSHI_NATS_SERVICE_HOST: unknown variable (from a Kubernetes service? set enableServiceLinks: false in the pod)"}},
		{name: "help is no variable", env: []string{"HOSHI_HELP=1"}, want: []string{"HOSHI_HELP: unknown variable"}},
		{name: "unknown key", args: []string{"--config=FILE"}, file: `{:lisen "x"}`, want: []string{"hoshi.edn :lisen: unknown key, did you mean :listen?"}},
		{name: "config is no key", args: []string{"--config=FILE"}, file: `{:config "x"}`, want: []string{"hoshi.edn :config: unknown key"}},
		{name: "no file", args: []string{"--config=/does/not/exist"}, want: []string{"--config: /does/not/exist: no such file or directory"}},
		{name: "no file, by variable", env: []string{"HOSHI_CONFIG=/does/not/exist"}, want: []string{"HOSHI_CONFIG: /does/not/exist: no such file or directory"}},
		{name: "key twice", args: []string{"--config=FILE"}, file: `{:echo true :echo false}`, want: []string{"hoshi.edn: holds :echo twice"}},
		{name: "no map", args: []string{"--config=FILE"}, file: `[:echo true]`, want: []string{`--config: hoshi.edn: wants one map, like {:listen "0.0.0.0:8080"}`}},
		{name: "empty file", args: []string{"--config=FILE"}, file: " ; nothing\n", want: []string{`--config: hoshi.edn: wants one map, like {:listen "0.0.0.0:8080"}`}},
		{name: "open map", args: []string{"--config=FILE"}, file: "{:echo true\n:dev false\n", want: []string{"--config: hoshi.edn: is not EDN near line 3: no more tokens to read"}},
		{name: "odd map", args: []string{"--config=FILE"}, file: "{:echo true\n:dev}\n\n", want: []string{"--config: hoshi.edn: is not EDN near line 2: unexpected token"}},
		{name: "wrong bracket", args: []string{"--config=FILE"}, file: "{:echo true\n:nats-routes [\"a\"\n}", want: []string{"--config: hoshi.edn: is not EDN near line 3: unexpected token"}},
		{name: "bad token", args: []string{"--config=FILE"}, file: "{:echo true\n:linger 5s\n}", want: []string{"--config: hoshi.edn: is not EDN near line 2: invalid character 's' - unexpected rune after legal integer"}},
		{name: "two maps", args: []string{"--config=FILE"}, file: `{} {}`, want: []string{"--config: hoshi.edn: holds more than one value"}},
		{name: "string key", args: []string{"--config=FILE"}, file: `{"echo" true}`, want: []string{`hoshi.edn: wants keywords as keys: the one after the opening brace is none`}},
		{name: "value forgotten before a secret", args: []string{"--config=FILE"}, file: `{:prefix :nats-password "hunter2" :x}`, want: []string{`hoshi.edn: wants keywords as keys: the one after the value of :prefix is none`}},
		{name: "many in one file", args: []string{"--config=FILE"}, file: `{:lisen "x" "echo" true :linger 5 :linger 6 :log-level warn}`, want: []string{
			"hoshi.edn :lisen: unknown key, did you mean :listen?",
			"hoshi.edn: wants keywords as keys: the one after the value of :lisen is none",
			"hoshi.edn: holds :linger twice",
			"hoshi.edn :linger: 5 is no duration: want a number with a unit, like 30s or 500ms",
			"hoshi.edn :log-level: warn is no string: put it in double quotes",
		}},
		{name: "wrong address", args: []string{"--listen", "8080"}, want: []string{`--listen: "8080" is no address: want host:port, like 127.0.0.1:8080`}},
		{name: "wrong port", args: []string{"--listen", "localhost:70000"}, want: []string{`--listen: "localhost:70000" is no address: want a port between 0 and 65535`}},
		{name: "empty address", args: []string{"--listen="}, want: []string{"--listen: needs an address, like 127.0.0.1:0"}},
		{name: "address of wrong type", args: []string{"--config=FILE"}, file: `{:listen 8080}`, want: []string{`hoshi.edn :listen: 8080 is no address: want a string like "127.0.0.1:8080"`}},
		{name: "wrong size", env: []string{"HOSHI_QUEUE_BYTES=12x"}, want: []string{`HOSHI_QUEUE_BYTES: "12x" is no size: want a size, like 512KiB or 2MiB`}},
		{name: "size beyond 64 bits", args: []string{"--queue-bytes=9223372036854775807GiB"}, want: []string{`--queue-bytes: "9223372036854775807GiB" is no size: want a size, like 512KiB or 2MiB`}},
		{name: "too large", args: []string{"--queue-bytes=2GiB"}, want: []string{`--queue-bytes: "2GiB" is too large, the most is 1GiB`}},
		{name: "too small", args: []string{"--queue-messages=0"}, want: []string{`--queue-messages: "0" is too small, the least is 1`}},
		{name: "no number", args: []string{"--config=FILE"}, file: `{:queue-messages 1.5}`, want: []string{`hoshi.edn :queue-messages: 1.5 is no whole number`}},
		{name: "no unit", args: []string{"--linger=5"}, want: []string{`--linger: "5" is no duration: want a number with a unit, like 30s or 500ms`}},
		{name: "number as duration", args: []string{"--config=FILE"}, file: `{:linger 5}`, want: []string{`hoshi.edn :linger: 5 is no duration: want a number with a unit, like 30s or 500ms`}},
		{name: "no switch", env: []string{"HOSHI_ECHO=perhaps"}, want: []string{`HOSHI_ECHO: "perhaps" is neither true nor false`}},
		{name: "no word", args: []string{"--log-level=loud"}, want: []string{`--log-level: "loud" is none of debug, info, warn, error`}},
		{name: "no list", args: []string{"--config=FILE"}, file: `{:nats-routes [1]}`, want: []string{`hoshi.edn :nats-routes: wants a vector of strings`}},
		{name: "no policy", args: []string{"--overflow=drop"}, want: []string{`--overflow: "drop" is none of disconnect, drop-oldest, drop-newest, latest-only`}},
		{name: "no rule", args: []string{"--channel-overflow=price/*"}, want: []string{`--channel-overflow: "price/*" is no rule: want a pattern and a policy, like price/*=latest-only`}},
		{name: "rule without a pattern", env: []string{"HOSHI_CHANNEL_OVERFLOW==latest-only"}, want: []string{`HOSHI_CHANNEL_OVERFLOW: a rule has no pattern: want the name of a channel, in which * stands for any run of characters`}},
		{name: "misspelt policy of a rule", args: []string{"--config=FILE"}, file: `{:channel-overflow [["a" :disconnect] ["price/*" :lastest-only]]}`, want: []string{`hoshi.edn :channel-overflow: unknown policy "lastest-only" for "price/*", did you mean latest-only?`}},
		{name: "unknown policy of a rule", args: []string{"--channel-overflow=a=wombat"}, want: []string{`--channel-overflow: unknown policy "wombat" for "a": want one of disconnect, drop-oldest, drop-newest, latest-only`}},
		{name: "rules in a map", args: []string{"--config=FILE"}, file: `{:channel-overflow {"a" :disconnect}}`, want: []string{`hoshi.edn :channel-overflow: wants a vector of pairs, each a pattern and a policy, like [["price/*" :latest-only]]: their order counts, so it is no map`}},
		{name: "rules without pairs", args: []string{"--config=FILE"}, file: `{:channel-overflow ["a" :disconnect]}`, want: []string{`hoshi.edn :channel-overflow: wants a vector of pairs, each a pattern and a policy, like [["price/*" :latest-only]], and not "a"`}},
		{name: "rule for a keyword", args: []string{"--config=FILE"}, file: `{:channel-overflow [[:a :disconnect]]}`, want: []string{`hoshi.edn :channel-overflow: wants a vector of pairs, each a pattern and a policy, like [["price/*" :latest-only]], and not [:a :disconnect]`}},
		{name: "rules as a number", args: []string{"--config=FILE"}, file: `{:channel-overflow 1}`, want: []string{`hoshi.edn :channel-overflow: wants a vector of pairs, each a pattern and a policy, like [["price/*" :latest-only]]`}},
		{name: "rule behind one for all", args: []string{"--channel-overflow=*=drop-oldest,a=disconnect"}, want: []string{`--channel-overflow: "a" is never looked at, as "*" comes before it: the first rule that matches counts, put it further up`}},
		{name: "rule twice", args: []string{"--channel-overflow=a=drop-oldest,b=disconnect,a=disconnect"}, want: []string{`--channel-overflow: "a" is never looked at, as "a" comes before it: the first rule that matches counts, put it further up`}},
		{name: "no batch", args: []string{"--channel-batch=50ms"}, want: []string{`--channel-batch: "50ms" is no rule: want a pattern and a time, like price/*=50ms`}},
		{name: "batch without a pattern", args: []string{"--channel-batch", "=50ms"}, want: []string{`--channel-batch: a rule has no pattern: want the name of a channel, in which * stands for any run of characters`}},
		{name: "batch without a unit", env: []string{"HOSHI_CHANNEL_BATCH=a=1ms,price/*=50"}, want: []string{`HOSHI_CHANNEL_BATCH: "50" for "price/*" is no duration: want a number with a unit, like 30s or 500ms`}},
		{name: "batch too long", args: []string{"--channel-batch=price/*=2m"}, want: []string{`--channel-batch: "2m" for "price/*" is too large, the most is 1m`}},
		{name: "batch below nothing", args: []string{"--channel-batch=price/*=-5ms"}, want: []string{`--channel-batch: "-5ms" for "price/*" is too small, the least is 0`}},
		{name: "batch too fine", args: []string{"--channel-batch=price/*=1500us"}, want: []string{`--channel-batch: "1500us" for "price/*" is no multiple of 1ms`}},
		{name: "batches in a map", args: []string{"--config=FILE"}, file: `{:channel-batch {"a" "50ms"}}`, want: []string{`hoshi.edn :channel-batch: wants a vector of pairs, each a pattern and a time, like [["price/*" "50ms"]]: their order counts, so it is no map`}},
		{name: "batch as a number", args: []string{"--config=FILE"}, file: `{:channel-batch [["a" 50]]}`, want: []string{`hoshi.edn :channel-batch: wants a vector of pairs, each a pattern and a time, like [["price/*" "50ms"]], and not ["a" 50]`}},
		{name: "batch as a keyword", args: []string{"--config=FILE"}, file: `{:channel-batch [["a" :50ms]]}`, want: []string{`hoshi.edn :channel-batch: wants a vector of pairs, each a pattern and a time, like [["price/*" "50ms"]], and not ["a" :50ms]`}},
		{name: "batch behind one for all", args: []string{"--channel-batch=*=50ms,a=0"}, want: []string{`--channel-batch: "a" is never looked at, as "*" comes before it: the first rule that matches counts, put it further up`}},
		{name: "no dialect", args: []string{"--dialect=Sente"}, want: []string{`--dialect: "Sente" is none of auto, sente, sente-lite`}},
		{name: "no format", args: []string{"--format=gzip"}, want: []string{`--format: "gzip" is none of edn, json, transit, transit-verbose, msgpack, edn-gzip, json-gzip, transit-gzip, transit-verbose-gzip, msgpack-gzip`}},
		{name: "too long a gathering", args: []string{"--sente-send-buf-ws=61s"}, want: []string{`--sente-send-buf-ws: "61s" is too large, the most is 1m`}},
		{name: "too fine a gathering", env: []string{"HOSHI_SENTE_SEND_BUF_AJAX=0.5ms"}, want: []string{`HOSHI_SENTE_SEND_BUF_AJAX: "0.5ms" is no multiple of 1ms`}},
		{name: "a gathering below nothing", args: []string{"--sente-send-buf-ajax=-1ms"}, want: []string{`--sente-send-buf-ajax: "-1ms" is too small, the least is 0s`}},
		{name: "no poll", args: []string{"--sente-max-polls=0"}, want: []string{`--sente-max-polls: "0" is too small, the least is 1`}},
		{name: "no ask", args: []string{"--max-asks=0"}, want: []string{`--max-asks: "0" is too small, the least is 1`}},
		{name: "stall timeout", args: []string{"--stall-timeout=0"}, want: []string{`--stall-timeout: "0" is too small, the least is 100ms`}},
		{name: "no nats url", args: []string{"--nats-url=http://x"}, want: []string{`--nats-url: "http://x" is no NATS URL: want nats://host:4222 or tls://host:4222`}},
		{name: "password in a bad url", args: []string{"--nats-url=nats://u:hunter2@:4222"}, want: []string{`--nats-url: "nats://:4222" is no NATS URL: want nats://host:4222 or tls://host:4222`}},
		{name: "secret of a wrong type", args: []string{"--config=FILE"}, file: `{:nats-token 4711}`, want: []string{`hoshi.edn :nats-token: is no string: put it in double quotes`}},
		{name: "two ways to log in", args: []string{"--nats-url=nats://a", "--nats-creds=x", "--nats-token=y"}, want: []string{"--nats-token: only one way to log in, but --nats-creds is given too"}},
		{name: "half a login", env: []string{"HOSHI_NATS_PASSWORD=hunter2"}, want: []string{"HOSHI_NATS_PASSWORD: needs --nats-user"}},
		{name: "creds for the embedded nats", args: []string{"--nats-creds=x"}, want: []string{"--nats-creds: needs --nats-url: the embedded NATS knows --nats-user and --nats-token only"}},
		{name: "half a certificate", args: []string{"--nats-url=nats://a", "--nats-tls-cert=x"}, want: []string{"--nats-tls-cert: needs --nats-tls-key"}},
		{name: "prefix", args: []string{"--prefix=a.b"}, want: []string{`--prefix: "a.b" is no prefix: want up to 32 letters, digits, dashes and underscores`}},
		{name: "prefix that pkg/bus refuses", args: []string{"--prefix=a/b"}, want: []string{`--prefix: "a/b" is no prefix: want up to 32 letters, digits, dashes and underscores`}},
		{name: "two ports in a nats url", args: []string{"--nats-url=nats://a:4222:1"}, want: []string{`--nats-url: "nats://a:4222:1" is no NATS URL: want nats://host:4222 or tls://host:4222`}},
		{name: "metrics where operators are", args: []string{"--metrics-listen=:8081"}, want: []string{`--metrics-listen: :8081 is taken by --admin-listen already`}},
		{name: "one port twice", args: []string{"--listen=:8080", "--admin-listen=127.0.0.1:8080"}, want: []string{`--admin-listen: 127.0.0.1:8080 is taken by --listen already`}},
		{name: "open cluster", args: []string{"--nats-cluster-listen=0.0.0.0:6222"}, want: []string{"--nats-cluster-listen: 0.0.0.0:6222 reaches beyond this machine: give --nats-cluster-user and --nats-cluster-password, the same on every node"}},
		{name: "open cluster on every interface", args: []string{"--nats-cluster-listen=:6222"}, want: []string{"--nats-cluster-listen: :6222 reaches beyond this machine: give --nats-cluster-user and --nats-cluster-password, the same on every node"}},
		{name: "open route", args: []string{"--nats-cluster-listen=127.0.0.1:6222", "--nats-routes=10.0.0.2:6222"}, want: []string{"--nats-routes: 10.0.0.2:6222 reaches beyond this machine: give --nats-cluster-user and --nats-cluster-password, the same on every node"}},
		{name: "route with credentials", args: []string{"--nats-cluster-listen=127.0.0.1:6222", "--nats-routes=nats://u:hunter2@127.0.0.1:6222"}, want: []string{"--nats-routes: nats://127.0.0.1:6222 holds credentials: give --nats-cluster-user and --nats-cluster-password instead"}},
		{name: "route without a port", args: []string{"--nats-cluster-listen=127.0.0.1:6222", "--nats-routes=127.0.0.1"}, want: []string{`--nats-routes: "127.0.0.1" is no route: want host:port, like 10.0.0.2:6222`}},
		{name: "routes alone", args: []string{"--nats-routes=127.0.0.1:6222"}, want: []string{"--nats-routes: needs --nats-cluster-listen, since routes go both ways"}},
		{name: "cluster without embedded nats", args: []string{"--nats-url=nats://a", "--nats-cluster-listen=127.0.0.1:1"}, want: []string{"--nats-cluster-listen: is for the embedded NATS, and --nats-url says to embed none"}},
		{name: "same port twice", args: []string{"--admin-listen=127.0.0.1:8080"}, want: []string{"--admin-listen: 127.0.0.1:8080 is taken by --listen already"}},
		{name: "idle below ping", args: []string{"--idle-timeout=10s"}, want: []string{"--idle-timeout: 10s is not more than --ping-interval 30s, so idle clients would be cut between two pings"}},
		{name: "message beyond nats", args: []string{"--max-message=8MiB"}, want: []string{"--max-message: 8MiB is more than the embedded NATS carries, the most is 8176KiB"}},
		{name: "echo where clients are", args: []string{"--ws-echo=/ws"}, want: []string{`--ws-echo: "/ws" is no path of its own, like /echo`}},
		{name: "echo without a path", args: []string{"--ws-echo=echo"}, want: []string{`--ws-echo: "echo" is no path of its own, like /echo`}},
		{name: "no channel at all", args: []string{"--channel-auto-create=false"}, want: []string{"--channel-auto-create: false, and without --channel-patterns no channel exists"}},
		{
			name: "all together", args: []string{"--listn", "x", "--log-level=loud", "--config=FILE"},
			env: []string{"HOSHI_ECH=1", "HOSHI_LINGER=soon"}, file: `{:queue-bytes "much" :wombat 1}`,
			want: []string{
				"unknown option --listn, did you mean --listen?",
				`--log-level: "loud" is none of debug, info, warn, error`,
				"HOSHI_ECH: unknown variable, did you mean HOSHI_ECHO?",
				`HOSHI_LINGER: "soon" is no duration: want a number with a unit, like 30s or 500ms`,
				"hoshi.edn :wombat: unknown key",
				`hoshi.edn :queue-bytes: "much" is no size: want a size, like 512KiB or 2MiB`,
			},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, _, got := parse(t, tt.args, tt.env, tt.file)
			if !reflect.DeepEqual(got, tt.want) {
				t.Errorf("\n got %q\nwant %q", got, tt.want)
			}
			if strings.Contains(strings.Join(got, ""), "hunter2") {
				t.Error("a fault quotes a secret")
			}
		})
	}
}

func TestCommands(t *testing.T) {
	for _, tt := range []struct {
		name string
		args []string
		env  []string
		want string
	}{
		{name: "the node", want: ""},
		{name: "the node with options", args: []string{"--dev", "--listen=localhost:0"}, want: ""},
		{name: "shared option before a command", args: []string{"--nats-url", "nats://a", "pub", "all", "[:a/b]"}, want: "pub all"},
		{name: "shared option behind a command", args: []string{"pub", "user", "alice", "[:a/b]", "--nats-url=nats://a"}, want: "pub user"},
		{name: "a dash behind two", args: []string{"pub", "all", "--", "-5"}, want: "pub all"},
		{name: "version minds nothing", args: []string{"version"}, env: []string{"HOSHI_WOMBAT=1"}, want: "version"},
		{name: "pub minds no option of the node", args: []string{"pub", "all", "x"}, env: []string{"HOSHI_LISTEN=nonsense"}, want: "pub all"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, command, faults := parse(t, tt.args, tt.env, "")
			if faults != nil || command != tt.want {
				t.Errorf("command %q, faults %q, want %q", command, faults, tt.want)
			}
		})
	}
}

func TestHelp(t *testing.T) {
	for _, tt := range []struct {
		name       string
		args       []string
		has, lacks string
	}{
		{name: "short", args: []string{"--help"}, has: "--listen ADDR", lacks: "--queue-bytes"},
		{name: "letter", args: []string{"-h"}, has: "hoshi pub user UID EVENT", lacks: "--help "},
		{name: "all", args: []string{"--help-all"}, has: "--queue-bytes SIZE"},
		{name: "command", args: []string{"pub", "user", "--help"}, has: "Usage: hoshi pub user UID EVENT", lacks: "--listen"},
		{name: "despite a bad variable", args: []string{"--help"}, has: "--listen ADDR"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var out bytes.Buffer
			code := -1
			_, err := config.Parse(&grammar{}, config.Invocation{
				Args: tt.args, Env: []string{"HOSHI_WOMBAT=1"}, Stdout: &out, Exit: func(c int) { code = c },
			})
			if err != nil || code != 0 {
				t.Fatalf("error %v, exit code %d", err, code)
			}
			if !strings.Contains(out.String(), tt.has) || tt.lacks != "" && strings.Contains(out.String(), tt.lacks) {
				t.Errorf("want %q and not %q in:\n%s", tt.has, tt.lacks, &out)
			}
			for line := range strings.Lines(out.String()) {
				if len(line) > 81 { // with the line break
					t.Errorf("a line of %d characters: %s", len(line), line)
				}
			}
		})
	}
}

func TestApplyDev(t *testing.T) {
	n := config.Node{Dev: true}
	n.ApplyDev()
	if !n.Echo || n.InsecureUIDParam != "uid" || !reflect.DeepEqual(n.Origins, []string{"*"}) {
		t.Errorf("echo %v, uid param %q, origins %q", n.Echo, n.InsecureUIDParam, n.Origins)
	}
	n = config.Node{Dev: true, Access: config.Access{Origins: []string{"same-origin"}}}
	n.ApplyDev()
	if !reflect.DeepEqual(n.Origins, []string{"same-origin"}) {
		t.Errorf("origins %q, want the explicit ones", n.Origins)
	}
	n = config.Node{Dev: true, InsecureUIDParam: "who"}
	n.ApplyDev()
	if n.InsecureUIDParam != "who" {
		t.Errorf("uid param %q, want the explicit one", n.InsecureUIDParam)
	}
	n = config.Node{}
	n.ApplyDev()
	if n.Echo || n.InsecureUIDParam != "" || n.Origins != nil {
		t.Error("switched on without --dev")
	}
}

func TestRedact(t *testing.T) {
	for in, want := range map[string]string{
		"nats://u:p@h:1": "nats://h:1",
		"u:p@h:1":        "h:1",
		"nats://a@b@h":   "nats://h",
		"nats://h:1":     "nats://h:1",
	} {
		if got := config.Redact(in); got != want {
			t.Errorf("Redact(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestOverflow(t *testing.T) {
	for _, tt := range []struct {
		name     string
		args     []string
		env      []string
		file     string
		overflow string
		rules    []config.Rule
	}{
		{name: "default", overflow: "disconnect"},
		{name: "flag", args: []string{"--overflow", "latest-only"}, overflow: "latest-only"},
		{name: "variable", env: []string{"HOSHI_OVERFLOW=drop-newest"}, overflow: "drop-newest"},
		{
			name: "file, in order", args: []string{"--config=FILE"},
			file:     `{:overflow :drop-oldest :channel-overflow [["price/*" :latest-only] [":a=b,c" "disconnect"] ["*" :drop-newest]]}`,
			overflow: "drop-oldest",
			rules:    []config.Rule{{"price/*", "latest-only"}, {":a=b,c", "disconnect"}, {"*", "drop-newest"}},
		},
		{
			name: "flags, in order", args: []string{"--channel-overflow", "z=disconnect, a=b=drop-oldest", "--channel-overflow=*=latest-only"},
			overflow: "disconnect",
			rules:    []config.Rule{{"z", "disconnect"}, {"a=b", "drop-oldest"}, {"*", "latest-only"}},
		},
		{
			name: "variable over file", args: []string{"--config=FILE"}, env: []string{"HOSHI_CHANNEL_OVERFLOW=a=drop-newest"},
			file:     `{:channel-overflow [["b" :latest-only]]}`,
			overflow: "disconnect",
			rules:    []config.Rule{{"a", "drop-newest"}},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			g, _, faults := parse(t, tt.args, tt.env, tt.file)
			if faults != nil {
				t.Fatalf("faults: %q", faults)
			}
			if g.Run.Overflow != tt.overflow || !reflect.DeepEqual(g.Run.ChannelOverflow, tt.rules) {
				t.Errorf("got %q, %v", g.Run.Overflow, g.Run.ChannelOverflow)
			}
		})
	}
}

func TestBatch(t *testing.T) {
	for _, tt := range []struct {
		name  string
		args  []string
		env   []string
		file  string
		rules []config.Batch
	}{
		{name: "default"},
		{
			name: "file, in order", args: []string{"--config=FILE"},
			file:  `{:channel-batch [["price/*" "50ms"] [":a=b,c" "1m"] ["*" "0"]]}`,
			rules: []config.Batch{{"price/*", 50 * time.Millisecond}, {":a=b,c", time.Minute}, {"*", 0}},
		},
		{
			name: "flags, in order", args: []string{"--channel-batch", "z=1s, a=b=20ms", "--channel-batch=*=1ms"},
			rules: []config.Batch{{"z", time.Second}, {"a=b", 20 * time.Millisecond}, {"*", time.Millisecond}},
		},
		{
			name: "variable over file", args: []string{"--config=FILE"}, env: []string{"HOSHI_CHANNEL_BATCH=a=5ms"},
			file:  `{:channel-batch [["b" "6ms"]]}`,
			rules: []config.Batch{{"a", 5 * time.Millisecond}},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			g, _, faults := parse(t, tt.args, tt.env, tt.file)
			if faults != nil {
				t.Fatalf("faults: %q", faults)
			}
			if !reflect.DeepEqual(g.Run.ChannelBatch, tt.rules) {
				t.Errorf("got %v", g.Run.ChannelBatch)
			}
		})
	}
}
