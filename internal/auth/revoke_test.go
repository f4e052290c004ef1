package auth_test

import (
	"errors"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/hoshi-ws/hoshi/internal/auth"
)

func TestRevocations(t *testing.T) {
	until := now.Add(time.Hour)
	alice := auth.Identity{UID: "alice", ID: "t1", IssuedAt: now.Add(-time.Minute)}
	for _, c := range []struct {
		name    string
		entries []auth.Revocation
		id      auth.Identity
		at      time.Time
		want    bool
	}{
		{"nothing", nil, alice, now, false},
		{"token", []auth.Revocation{{ID: "t1", Until: until}}, alice, now, true},
		{"token, forgotten", []auth.Revocation{{ID: "t1", Until: until}}, alice, until, false},
		{"another token", []auth.Revocation{{ID: "t2", Until: until}}, alice, now, false},
		{"token, none has no id", []auth.Revocation{{ID: "t1", Until: until}}, auth.Identity{UID: "alice"}, now, false},
		{"user", []auth.Revocation{{UID: "alice", Until: until}}, alice, now, true},
		{"user, whatever is issued later", []auth.Revocation{{UID: "alice", Until: until}}, auth.Identity{UID: "alice", IssuedAt: now.Add(time.Minute)}, now.Add(time.Minute), true},
		{"user, forgotten", []auth.Revocation{{UID: "alice", Until: until}}, alice, until, false},
		{"another user", []auth.Revocation{{UID: "bob", Until: until}}, alice, now, false},
		{"a user with the name of a token", []auth.Revocation{{UID: "t1", Until: until}, {ID: "alice", Until: until}}, alice, now, false},
		{"user, before", []auth.Revocation{{UID: "alice", IssuedBefore: now, Until: until}}, alice, now, true},
		{"user, before, issued then", []auth.Revocation{{UID: "alice", IssuedBefore: now, Until: until}}, auth.Identity{UID: "alice", IssuedAt: now}, now, false},
		{"user, before, no iat", []auth.Revocation{{UID: "alice", IssuedBefore: now, Until: until}}, auth.Identity{UID: "alice"}, now, true},
		{"user, before, of another", []auth.Revocation{{UID: "bob", IssuedBefore: now, Until: until}}, alice, now, false},
		{"everybody, before", []auth.Revocation{{IssuedBefore: now, Until: until}}, alice, now, true},
		{"everybody, before, issued then", []auth.Revocation{{IssuedBefore: now, Until: until}}, auth.Identity{UID: "alice", IssuedAt: now}, now, false},
		{"everybody, forgotten", []auth.Revocation{{IssuedBefore: now, Until: until}}, alice, until, false},
		{"the wider counts", []auth.Revocation{{UID: "alice", IssuedBefore: now, Until: until}, {UID: "alice", IssuedBefore: now.Add(-time.Hour), Until: until}}, alice, now, true},
		{"the longer counts", []auth.Revocation{{UID: "alice", Until: until}, {UID: "alice", Until: now.Add(time.Second)}}, alice, now.Add(time.Minute), true},
		{"the longer counts, of a token", []auth.Revocation{{ID: "t1", Until: until}, {ID: "t1", Until: now.Add(time.Second)}}, alice, now.Add(time.Minute), true},
		{"over already", []auth.Revocation{{ID: "t1", Until: now}}, alice, now.Add(-time.Second), false},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := auth.NewRevocations(0)
			for _, e := range c.entries {
				if err := s.Add(e, now); err != nil {
					t.Fatal(err)
				}
			}
			if got := s.Revoked(&c.id, c.at); got != c.want {
				t.Fatalf("revoked %v, want %v", got, c.want)
			}
			if len(c.entries) == 1 && c.at.Equal(now) && c.entries[0].Until.Equal(until) && c.entries[0].Covers(&c.id) != c.want {
				t.Error("Covers says otherwise")
			}
		})
	}
	for _, bad := range []auth.Revocation{
		{},
		{Until: until},
		{UID: "alice"},
		{UID: "alice", ID: "t1", Until: until},
		{ID: "t1", IssuedBefore: now, Until: until},
	} {
		if err := auth.NewRevocations(0).Add(bad, now); !errors.Is(err, auth.ErrRevocation) {
			t.Errorf("%+v: %v", bad, err)
		}
	}
}

// TestForgottenEntriesDoNotJoin: a user who was let in again is not taken for
// revoked by what has run out.
func TestForgottenEntriesDoNotJoin(t *testing.T) {
	s := auth.NewRevocations(0)
	add := func(r auth.Revocation, at time.Time) {
		t.Helper()
		if err := s.Add(r, at); err != nil {
			t.Fatal(err)
		}
	}
	add(auth.Revocation{UID: "alice", Until: now.Add(time.Minute)}, now)
	add(auth.Revocation{IssuedBefore: now.Add(time.Hour), Until: now.Add(time.Minute)}, now)
	later := now.Add(2 * time.Minute)
	add(auth.Revocation{UID: "alice", IssuedBefore: now, Until: later.Add(time.Hour)}, later)
	add(auth.Revocation{IssuedBefore: now, Until: later.Add(time.Hour)}, later)
	if s.Revoked(&auth.Identity{UID: "alice", IssuedAt: later}, later) {
		t.Error("revoked by an entry that has run out")
	}
}

func TestRevocationsAreBounded(t *testing.T) {
	s := auth.NewRevocations(3)
	for i := range 3 {
		if err := s.Add(auth.Revocation{ID: strconv.Itoa(i), Until: now.Add(time.Minute)}, now); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Add(auth.Revocation{UID: "alice", Until: now.Add(time.Hour)}, now); !errors.Is(err, auth.ErrRevocationsFull) {
		t.Fatalf("%v", err)
	}
	// What is there can be renewed, and everybody can still be sent away.
	if err := s.Add(auth.Revocation{ID: "0", Until: now.Add(2 * time.Hour)}, now); err != nil {
		t.Error(err)
	}
	if err := s.Add(auth.Revocation{IssuedBefore: now, Until: now.Add(time.Hour)}, now); err != nil {
		t.Error(err)
	}
	// What has run out makes room.
	later := now.Add(time.Minute)
	if err := s.Add(auth.Revocation{UID: "alice", Until: now.Add(time.Hour)}, later); err != nil {
		t.Error(err)
	}
	if n := s.Len(); n != 3 { // token 0, alice, everybody
		t.Errorf("%d entries", n)
	}
}

func TestRevocationsConcurrently(t *testing.T) {
	s := auth.NewRevocations(100)
	var group sync.WaitGroup
	for i := range 4 {
		group.Go(func() {
			for j := range 200 {
				_ = s.Add(auth.Revocation{ID: strconv.Itoa(i*1000 + j), Until: now.Add(time.Hour)}, now)
			}
		})
		group.Go(func() {
			for range 200 {
				s.Revoked(&auth.Identity{UID: "alice", ID: "1"}, now)
			}
		})
	}
	group.Wait()
	if n := s.Len(); n != 100 {
		t.Errorf("%d entries", n)
	}
	id := auth.Identity{UID: "alice", ID: "x"}
	if n := testing.AllocsPerRun(100, func() { s.Revoked(&id, now) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestRefusals(t *testing.T) {
	seen := map[string]bool{}
	for _, r := range auth.Reasons() {
		e := auth.Refusal(r)
		if e == nil || e.Reason != r || len(e.Error()) < len("auth: x") || seen[e.Error()] {
			t.Errorf("%s: %v", r, e)
		}
		seen[e.Error()] = true
	}
	if !errors.Is(auth.Refusal(auth.ReasonExpired), auth.Refusal(auth.ReasonExpired)) || auth.Refusal("x") != nil {
		t.Error("refusals are not one for each reason")
	}
}

// TestAllRevocations: a set that is given all of another one's revokes the same,
// and being given it again changes nothing.
func TestAllRevocations(t *testing.T) {
	until := now.Add(time.Hour)
	s := auth.NewRevocations(0)
	for _, r := range []auth.Revocation{
		{ID: "t1", Until: until},
		{ID: "over", Until: now.Add(time.Second)},
		{UID: "alice", IssuedBefore: now, Until: until},
		{UID: "bob", Until: until},
		{UID: "bob", IssuedBefore: now, Until: until},
		{IssuedBefore: now.Add(-time.Hour), Until: until},
	} {
		if err := s.Add(r, now); err != nil {
			t.Fatal(err)
		}
	}
	at := now.Add(time.Minute)
	copied := auth.NewRevocations(0)
	for range 2 {
		for _, r := range s.All(at) {
			if err := copied.Add(r, at); err != nil {
				t.Fatal(err)
			}
		}
		if got, want := len(copied.All(at)), 4; got != want {
			t.Errorf("%d entries, want %d", got, want)
		}
	}
	for _, id := range []auth.Identity{
		{UID: "x", ID: "t1", IssuedAt: now},
		{UID: "x", ID: "over", IssuedAt: now},
		{UID: "alice", IssuedAt: now},
		{UID: "alice", IssuedAt: now.Add(-time.Second)},
		{UID: "bob", IssuedAt: now.Add(time.Hour)},
		{UID: "x", IssuedAt: now.Add(-2 * time.Hour)},
	} {
		if got, want := copied.Revoked(&id, at), s.Revoked(&id, at); got != want {
			t.Errorf("%+v: revoked %v, want %v", id, got, want)
		}
	}
}
