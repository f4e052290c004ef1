package config_test

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/hoshi-ws/hoshi/internal/config"
)

// golden compares a file of docs with what the options say.
func golden(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s is not what the options say: go test ./internal/config -run TestMarkdown -update", filepath.Base(path))
	}
}

// commented is an option of the example, and what it would say.
var commented = regexp.MustCompile(`(?m)^ ;(:[a-z].*)$`)

// TestMarkdownExample holds that docs/hoshi.example.edn is what the options say,
// has every option, and is a file that changes nothing, as it stands and with every
// line in force.
func TestMarkdownExample(t *testing.T) {
	text, err := config.Example()
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "../../docs/hoshi.example.edn", text)

	plain, _, faults := parse(t, nil, nil, "")
	if faults != nil {
		t.Fatal(faults)
	}
	names := append(optionNames(reflect.TypeFor[config.Shared]()), optionNames(reflect.TypeFor[config.Node]())...)
	lines := commented.FindAllStringSubmatch(text, -1)
	if len(lines) != len(names)-1 { // --config
		t.Errorf("%d options, want %d", len(lines), len(names)-1)
	}
	inForce := commented.ReplaceAllString(text, " $1")
	for name, file := range map[string]string{"as it stands": text, "all in force": inForce} {
		g, _, faults := parse(t, []string{"--config", "FILE"}, nil, file)
		if faults != nil {
			t.Fatalf("%s: %q", name, faults)
		}
		if g.Config = ""; !reflect.DeepEqual(g, plain) {
			t.Errorf("%s:\n got %+v\nwant %+v", name, g, plain)
		}
	}
	for line := range strings.Lines(text) {
		if len(line) > 101 { // with the line break
			t.Errorf("a line of %d characters: %s", len(line), line)
		}
	}
}

// printed is what Print says of a node.
func printed(t *testing.T, changed bool, args, env []string, file string) string {
	t.Helper()
	from := config.Sources{}
	g, _, faults := parseFrom(t, from, args, env, file)
	if faults != nil {
		t.Fatalf("%q", faults)
	}
	for _, option := range g.Run.ApplyDev() {
		from[option] = "--dev"
	}
	text, err := config.Print(&g.Shared, &g.Run.Node, from, changed)
	if err != nil {
		t.Fatal(err)
	}
	return regexp.MustCompile(`; \S*/hoshi\.edn`).ReplaceAllString(text, "; hoshi.edn")
}

func TestPrint(t *testing.T) {
	args := []string{"--config", "FILE", "--listen", ":1", "--channel-overflow", `a"b=latest-only`, "--nats-url", "nats://ann:hunter2@a:1,bob@b,c", "--dev", "--origins", "https://x"}
	env := []string{"HOSHI_LISTEN=:2", "HOSHI_IDLE_TIMEOUT=1h30m", "HOSHI_TOKEN_SECRET=hunter2", "HOSHI_TRACE_SAMPLE=0.25", "HOSHI_PREFIX=hoshi"}
	file := `{:listen ":3" :queue-bytes "3MiB" :echo true :channel-batch [["p/*" "50ms"] ["q" "1m"]] :overflow :drop-oldest :loops 0 :nats-creds nil
	  :insecure-anywhere true
	  :event-rules [{:events "a/*" :send [:anyone :user {:claim "role" :value "ad\"min"}]} {:events "b/*" :send :nobody}]
	  :token-issuers [{:name "i" :audiences ["x" "y"] :secret "hunter2"} {:jwks "https://ann:hunter2@id.example.com/k"}]}`
	want := `{
 ;; Development
 :dev true                                      ; --dev
 :echo true                                     ; hoshi.edn :echo
 :insecure-uid-param "uid"                      ; --dev
 :insecure-anywhere true                        ; hoshi.edn :insecure-anywhere

 ;; Listeners
 :listen ":1"                                   ; --listen

 ;; NATS
 ;; :nats-url ["nats://...@a:1" "...@b" "c"]    ; --nats-url, with a secret that is not shown
 :prefix "hoshi"                                ; HOSHI_PREFIX

 ;; Access
 ;; :token-secret "..."                         ; HOSHI_TOKEN_SECRET, with a secret that is not shown
 ;; :token-issuers [{:name "i" :audiences ["x" "y"] :secret "..."} {:jwks "https://...@id.example.com/k"}] ; hoshi.edn :token-issuers, with a secret that is not shown
 :origins ["https://x"]                         ; --origins
 :event-rules [{:events "a/*" :send [:anyone :user {:claim "role" :value "ad\"min"}]} {:events "b/*" :send :nobody}] ; hoshi.edn :event-rules

 ;; Connections
 :queue-bytes "3MiB"                            ; hoshi.edn :queue-bytes
 :overflow :drop-oldest                         ; hoshi.edn :overflow
 :idle-timeout "1h30m"                          ; HOSHI_IDLE_TIMEOUT

 ;; Channels
 :channel-overflow [["a\"b" :latest-only]]      ; --channel-overflow
 :channel-batch [["p/*" "50ms"] ["q" "1m"]]     ; hoshi.edn :channel-batch

 ;; Tracing
 :trace-sample 0.25                             ; HOSHI_TRACE_SAMPLE

 ;; Machine
 :loops 0                                       ; hoshi.edn :loops
 }
`
	if got := printed(t, true, args, env, file); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	whole := printed(t, false, args, env, file)
	for _, line := range []string{" :admin-listen \"127.0.0.1:8081\"                 ; default\n", " :nats-creds nil                                ; default\n", " :deflate false ", " :format :edn "} {
		if !strings.Contains(whole, line) {
			t.Errorf("no %q in\n%s", line, whole)
		}
	}
	if strings.Contains(whole, "hunter2") {
		t.Error("a secret is shown")
	}
	names := append(optionNames(reflect.TypeFor[config.Shared]()), optionNames(reflect.TypeFor[config.Node]())...)
	for _, name := range names {
		if n := strings.Count(whole, " :"+name+" "); n != 1 && name != "config" {
			t.Errorf(":%s is there %d times", name, n)
		}
	}
}

// What is printed has the same effect, where the secrets come as they came.
func TestPrintAgain(t *testing.T) {
	secrets := []string{"HOSHI_NATS_PASSWORD=hunter2", "HOSHI_CSRF_SECRET=hunter2", "HOSHI_TOKEN_SECRET=hunter2"}
	file := `{:listen ":3" :insecure-anywhere true :max-byte-rate 1001 :nats-user "ann\u2028\t\\" :csrf-cookie "c\"d" :dev true
	  :channel-rules [{:channels "a/{uid}" :subscribe :anyone :publish [:user {:claim "a" :value "1"}] :max-subscribers 3 :max-message "64KiB" :publish-rate 4} {:channels "*"}]
	  :token-audience ["a,b" "c"] :channel-auto-create false :channel-patterns ["x\ny" "*"] :sente-send-buf-ws "0s" :tls-min nil :drain-time "1h0m0s"}`
	first, _, faults := parse(t, []string{"--config", "FILE"}, secrets, file)
	if faults != nil {
		t.Fatalf("%q", faults)
	}
	first.Run.ApplyDev()
	for _, changed := range []bool{false, true} {
		text := printed(t, changed, []string{"--config", "FILE"}, secrets, file)
		again, _, faults := parse(t, []string{"--config", "FILE"}, secrets, text)
		if faults != nil {
			t.Fatalf("%q of\n%s", faults, text)
		}
		again.Run.ApplyDev()
		first.Config, again.Config = "", ""
		if !reflect.DeepEqual(first, again) {
			t.Errorf("of\n%s\n got %+v\nwant %+v", text, again, first)
		}
	}
}

// Neither the name of a file nor a value can put anything into what is printed, or
// move the cursor.
func TestPrintIsOneLineEach(t *testing.T) {
	n := &config.Node{WSEcho: "/\x1b[31m\n\u009b\u2028\t"}
	text, err := config.Print(&config.Shared{}, n, config.Sources{"echo": "a\n:dev true\u2028.edn :echo", "ws-echo": "HOSHI_WS_ECHO"}, true)
	if err != nil || text != "{\n ;; Development\n :echo false                                    ; a?:dev true?.edn :echo\n"+
		` :ws-echo "/\u001b[31m\n\u009b\u2028\t"         ; HOSHI_WS_ECHO`+"\n }\n" {
		t.Errorf("got %q, %v", text, err)
	}
}

// FuzzPrint holds that what is printed of any configuration that can be is a file
// with the same effect.
func FuzzPrint(f *testing.F) {
	for _, seed := range []string{
		`{}`, `{:listen ":3" :echo true}`, `{:origins ["a" "\u0085" "\\"]}`, `{:idle-timeout "61m1ns"}`, `{:queue-bytes 1025 :max-message 2048}`,
		`{:channel-overflow [["*" :drop-oldest]] :channel-batch [["*" "0"]]}`, `{:trace-sample 1e-9}`, `{:overflow "latest-only" :tls-min "1.2"}`,
		`{:channel-rules [{:channels "\"" :subscribe [{:claim "\n" :value -5} :user]}]}`, `{:event-rules [{:events "*" :send []}]}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		path := filepath.Join(t.TempDir(), "hoshi.edn")
		read := func(text []byte) (*grammar, error) {
			if err := os.WriteFile(path, text, 0o600); err != nil {
				t.Fatal(err)
			}
			g := &grammar{}
			_, err := config.Parse(g, config.Invocation{Args: []string{"--config", path}, Stdout: t.Output(), Exit: func(int) { t.Error("exit was called") }})
			return g, err
		}
		first, err := read(text)
		if err != nil {
			return
		}
		out, err := config.Print(&first.Shared, &first.Run.Node, nil, false)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(out, "with a secret") {
			return
		}
		again, err := read([]byte(out))
		if err != nil {
			t.Fatalf("%v of\n%s", err, out)
		}
		// An empty list is none.
		if got, want := fmt.Sprintf("%+v", again), fmt.Sprintf("%+v", first); got != want {
			t.Errorf("of\n%s\n got %s\nwant %s", out, got, want)
		}
	})
}

// TestSources holds that the place that counts is named.
func TestSources(t *testing.T) {
	from := config.Sources{}
	_, _, faults := parseFrom(t, from, []string{"--listen", ":1", "--config=FILE"}, []string{"HOSHI_LISTEN=:2", "HOSHI_LINGER=1s"}, `{:listen ":3" :linger "2s" :echo false :prefix nil}`)
	var got []string
	for option, source := range from {
		got = append(got, option+" "+source[strings.LastIndexByte(source, '/')+1:])
	}
	slices.Sort(got)
	if want := []string{"config --config", "echo hoshi.edn :echo", "linger HOSHI_LINGER", "listen --listen"}; faults != nil || !slices.Equal(got, want) {
		t.Errorf("got %q, want %q, faults %q", got, want, faults)
	}
}
