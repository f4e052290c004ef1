package config_test

import (
	"reflect"
	"testing"

	"github.com/hoshi-ws/hoshi/internal/config"
)

// A command that is alone has its option from wherever a node would have it, and
// nothing else that is wrong keeps it from running.
func TestAlone(t *testing.T) {
	const fallback = "127.0.0.1:8081"
	for _, tt := range []struct {
		name   string
		args   []string
		env    []string
		file   string
		want   config.Addr
		faults []string
	}{
		{name: "default", want: fallback},
		{name: "flag", args: []string{"--admin-listen", ":1"}, env: []string{"HOSHI_ADMIN_LISTEN=:2", "HOSHI_CONFIG=FILE"}, file: `{:admin-listen ":3"}`, want: ":1"},
		{name: "variable", env: []string{"HOSHI_ADMIN_LISTEN=:2", "HOSHI_CONFIG=FILE"}, file: `{:admin-listen ":3"}`, want: ":2"},
		{name: "file by a variable", env: []string{"HOSHI_CONFIG=FILE"}, file: `{:admin-listen ":3"}`, want: ":3"},
		{name: "file by a flag", args: []string{"--config=FILE"}, file: `{:admin-listen ":3"}`, want: ":3"},
		{name: "unknown variable", env: []string{"HOSHI_WOMBAT=1"}, want: fallback},
		{name: "wrong options of the node", env: []string{"HOSHI_LISTEN=nonsense", "HOSHI_NATS_TOKEN_FILE=/does/not/exist", "HOSHI_NATS_USER=ann"}, want: fallback},
		{name: "unknown and wrong keys", args: []string{"--config=FILE"}, file: `{:wombat 1 :listen 7 :echo "much" 8 9 :echo true :admin-listen ":3" :live 3}`, want: ":3"},
		{name: "no EDN", args: []string{"--config=FILE"}, file: `{:admin-listen ":3"`, faults: []string{"--config: hoshi.edn: is not EDN near line 1: no more tokens to read"}},
		{name: "no EDN, but not needed", args: []string{"--config=FILE", "--admin-listen", ":1"}, file: `{`, want: ":1"},
		{name: "no file, but not needed", env: []string{"HOSHI_CONFIG=/does/not/exist", "HOSHI_ADMIN_LISTEN=:2"}, want: ":2"},
		{name: "wrong flag", args: []string{"--admin-listen", "8081"}, faults: []string{`--admin-listen: "8081" is no address: want host:port, like 127.0.0.1:8080`}},
		{name: "wrong in the file", args: []string{"--config=FILE"}, file: `{:admin-listen 8081}`, faults: []string{`hoshi.edn :admin-listen: 8081 is no address: want a string like "127.0.0.1:8080"`}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			g, command, faults := parse(t, append([]string{"health"}, tt.args...), tt.env, tt.file)
			if command != "health" || !reflect.DeepEqual(faults, tt.faults) {
				t.Fatalf("command %q, faults %q, want %q", command, faults, tt.faults)
			}
			if faults == nil && g.Health.AdminListen != tt.want {
				t.Errorf("got %s, want %s", g.Health.AdminListen, tt.want)
			}
		})
	}
}
