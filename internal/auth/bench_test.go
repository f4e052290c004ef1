package auth_test

import (
	"crypto/rand"
	"slices"
	"testing"

	"github.com/hoshi-ws/hoshi/internal/auth"
)

func BenchmarkVerify(b *testing.B) {
	for _, s := range append(slices.Clone(signers), long) {
		name := "alg=" + s.algorithm
		if s.private == long.private {
			name += "/bits=4096"
		}
		b.Run(name, func(b *testing.B) {
			v := only(b, s)
			token := s.sign(b, claims(object{"jti": "0190f5fe-7c00-7a00-8000-000000000000", "iat": now.Unix(), "role": "admin"}), nil)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := v.Verify(token); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkRevoked(b *testing.B) {
	s := auth.NewRevocations(0)
	for range 1000 {
		if err := s.Add(auth.Revocation{ID: rand.Text(), Until: now.Add(1)}, now); err != nil {
			b.Fatal(err)
		}
	}
	id := auth.Identity{UID: "alice", ID: "t1", IssuedAt: now}
	b.ReportAllocs()
	for b.Loop() {
		if s.Revoked(&id, now) {
			b.Fatal("revoked")
		}
	}
}
