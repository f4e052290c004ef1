package main

import "testing"

func TestBuiltByGoRun(t *testing.T) {
	for _, tt := range []struct {
		name, exe string
		want      bool
	}{
		{name: "first run", exe: "/tmp/go-build63505779/b001/exe/node", want: true},
		{name: "later run", exe: "/home/a/.cache/go-build/1a/1ad317ff8289b564e539f706542d476d095eeaa4f7de917784dc41f171e1478b-d/node", want: true},
		{name: "cache elsewhere", exe: "/cache/1a/1ad317ff8289b564e539f706542d476d095eeaa4f7de917784dc41f171e1478b-d/node", want: true},
		{name: "installed", exe: "/usr/local/bin/hoshi"},
		{name: "in a folder called exe", exe: "/opt/exe/hoshi"},
		{name: "a test", exe: "/tmp/go-build63505779/b001/node.test"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := builtByGoRun(tt.exe); got != tt.want {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}

func TestShellQuote(t *testing.T) {
	for in, want := range map[string]string{
		"hoshi":                 "hoshi",
		"./bin/hoshi":           "./bin/hoshi",
		"nats://127.0.0.1:4222": "nats://127.0.0.1:4222",
		"/my dir/hoshi":         "'/my dir/hoshi'",
		"it's":                  `'it'\''s'`,
		"":                      "''",
		"$HOME":                 "'$HOME'",
	} {
		if got := shellQuote(in); got != want {
			t.Errorf("shellQuote(%q) = %s, want %s", in, got, want)
		}
	}
}
