package auth_test

import (
	"encoding/json"
	"testing"

	"github.com/hoshi-ws/hoshi/internal/auth"
)

func TestClaimsView(t *testing.T) {
	var c auth.Claims
	if err := json.Unmarshal([]byte(`{
		"role": "admin", "escaped": "a\"\u0062", "level": 7, "beta": true, "none": null, "empty": "",
		"roles": ["user", "ops", 7, null, ["deep"], {"x": "y"}], "nobody": [],
		"scope": "read  write:all", "words": "a b", "realm": {"roles": ["r1"], "a/b": {"c~d": "x"}, "none": null},
		"https://example.com/roles": ["far"], "/odd": "slash", "Role": "user"
	}`), &c); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name, value string
		want        bool
	}{
		{"role", "admin", true},
		{"role", "adm", false},
		{"role", "Admin", false},
		{"ROLE", "admin", false},
		{"role", `"admin"`, false},
		{"escaped", `a"b`, true},
		{"level", "7", true},
		{"level", "7.0", false},
		{"beta", "true", true},
		{"beta", "false", false},
		{"none", "null", false},
		{"none", "", false},
		{"empty", "", true},
		{"missing", "", false},
		{"roles", "user", true},
		{"roles", "ops", true},
		{"roles", "7", true},
		{"roles", "null", false},
		{"roles", "deep", false},
		{"roles", `["deep"]`, false},
		{"roles", `{"x": "y"}`, false},
		{"nobody", "", false},
		{"scope", "read", true},
		{"scope", "write:all", true},
		{"scope", "write", false},
		{"scope", "read  write:all", false},
		{"scope", "", false},
		{"words", "a b", true},
		{"words", "a", false},
		{"realm", "roles", false},
		{"realm", `{"roles"`, false},
		{"/realm/roles", "r1", true},
		{"/realm/roles/0", "r1", false},
		{"/realm/a~1b/c~0d", "x", true},
		{"/realm/none", "null", false},
		{"/realm/role", "admin", false},
		{"/realm/missing", "", false},
		{"/missing/roles", "r1", false},
		{"/role/x", "admin", false},
		{"/role", "admin", true},
		{"/odd", "slash", true},
		{"/", "", false},
		{"", "", false},
		{"https://example.com/roles", "far", true},
	} {
		if got := c.Holds(tt.name, tt.value); got != tt.want {
			t.Errorf("%q holds %q: %v", tt.name, tt.value, got)
		}
	}
	for name, want := range map[string]bool{"role": true, "none": false, "missing": false, "empty": true, "/realm/roles": true, "/realm/none": false} {
		if got := c.Has(name); got != want {
			t.Errorf("has %q: %v", name, got)
		}
	}
	if s, ok := c.String("escaped"); !ok || s != `a"b` {
		t.Errorf("%q, %v", s, ok)
	}
	if _, ok := c.String("level"); ok {
		t.Error("a number is a string")
	}
}
