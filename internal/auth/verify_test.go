package auth_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/hoshi-ws/hoshi/internal/auth"
)

func TestAlgorithms(t *testing.T) {
	for _, s := range signers {
		t.Run(s.algorithm, func(t *testing.T) {
			v := only(t, s)
			token := s.sign(t, claims(object{"jti": "t1", "iat": now.Unix() - 5, "role": "admin"}), nil)
			id, err := v.Verify(token)
			wantReason(t, err, token, "")
			if id.UID != "alice" || id.ID != "t1" || id.Issuer != "" || !id.IssuedAt.Equal(now.Add(-5*time.Second)) {
				t.Errorf("identity %+v", id)
			}
			if want := now.Add(90 * time.Second); !id.Expires.Equal(want) {
				t.Errorf("expires %v, want %v: exp and the leeway", id.Expires, want)
			}
			if role, ok := id.Claims.String("role"); !ok || role != "admin" {
				t.Errorf("role %q, %v", role, ok)
			}

			// One bit of what is signed, of the signature, and no signature.
			head, rest, _ := strings.Cut(token, ".")
			body, signature, _ := strings.Cut(rest, ".")
			other := s.sign(t, claims(object{"sub": "mallory"}), nil)
			otherBody := strings.Split(other, ".")[1]
			flipped := []byte(signature)
			flipped[3] ^= 1
			for _, bad := range []string{
				head + "." + otherBody + "." + signature,
				head + "." + body + "." + string(flipped),
				head + "." + body + ".",
				head + "." + body + "." + signature[:len(signature)/2/4*4],
			} {
				if _, err := v.Verify(bad); err == nil {
					t.Errorf("taken: %s", bad)
				}
			}
		})
	}
}

// TestAlgorithmIsOfTheKey signs with each key, and says each other algorithm.
func TestAlgorithmIsOfTheKey(t *testing.T) {
	for _, key := range signers {
		v := only(t, key)
		for _, s := range signers {
			if s.algorithm == key.algorithm {
				continue
			}
			token := s.sign(t, claims(nil), nil)
			_, err := v.Verify(token)
			wantReason(t, err, token, auth.ReasonAlgorithm)
		}
	}
}

func TestForgeries(t *testing.T) {
	rs, es := by("RS256"), by("ES256")
	body := encode(must(json.Marshal(claims(nil))))
	hmacWith := func(secret string, header string) string {
		text := encode([]byte(header)) + "." + body
		mac := hmac.New(sha256.New, []byte(secret))
		mac.Write([]byte(text))
		return text + "." + encode(mac.Sum(nil))
	}
	foreign := signer{"ES256", must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))}
	own := foreign.private.(*ecdsa.PrivateKey).PublicKey
	point := must(own.Bytes()) // SEC 1, uncompressed: 4, x, y
	ownJWK := object{"kty": "EC", "crv": "P-256", "x": encode(point[1:33]), "y": encode(point[33:])}
	for _, c := range []struct {
		name  string
		key   signer
		token string
		want  auth.Reason
	}{
		{"none", rs, encode([]byte(`{"alg":"none"}`)) + "." + body + ".", auth.ReasonAlgorithm},
		{"None", rs, encode([]byte(`{"alg":"None"}`)) + "." + body + ".", auth.ReasonAlgorithm},
		{"none, of a secret", by("HS256"), encode([]byte(`{"alg":"none"}`)) + "." + body + ".", auth.ReasonAlgorithm},
		{"no alg", rs, encode([]byte(`{"typ":"JWT"}`)) + "." + body + ".AAAA", auth.ReasonAlgorithm},
		{"alg in capitals as well", rs, hmacWith(rs.pem(t), `{"ALG":"HS256"}`), auth.ReasonAlgorithm},
		{"unknown alg", rs, encode([]byte(`{"alg":"XS256"}`)) + "." + body + ".AAAA", auth.ReasonAlgorithm},
		{"public key as the secret", rs, hmacWith(rs.pem(t), `{"alg":"HS256"}`), auth.ReasonAlgorithm},
		{"public key as the secret, trimmed", rs, hmacWith(strings.TrimSpace(rs.pem(t)), `{"alg":"HS256"}`), auth.ReasonAlgorithm},
		{"empty secret", by("HS256"), hmacWith("", `{"alg":"HS256"}`), auth.ReasonSignature},
		{"zero signature", es, encode([]byte(`{"alg":"ES256"}`)) + "." + body + "." + encode(make([]byte, 64)), auth.ReasonSignature},
		{"its own key in jwk", es, foreign.sign(t, claims(nil), object{"jwk": ownJWK}), auth.ReasonSignature},
		{"a url of keys in jku", es, foreign.sign(t, claims(nil), object{"jku": "http://127.0.0.1:1/"}), auth.ReasonSignature},
		{"a certificate in x5c", es, foreign.sign(t, claims(nil), object{"x5c": []string{"AAAA"}}), auth.ReasonSignature},
		{"an extension that must be understood", es, es.sign(t, claims(nil), object{"crit": []string{"b64"}, "b64": false}), auth.ReasonMalformed},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := only(t, c.key).Verify(c.token)
			wantReason(t, err, c.token, c.want)
		})
	}
}

func TestMalformed(t *testing.T) {
	s := by("HS256")
	v := only(t, s)
	good := s.sign(t, claims(nil), nil)
	if _, err := v.Verify(good); err != nil {
		t.Fatal(err)
	}
	parts := strings.Split(good, ".")
	large := s.sign(t, claims(object{"x": strings.Repeat("x", 6000)}), nil)
	if len(large) > auth.MaxToken {
		t.Fatal("too long to be at the limit")
	}
	if _, err := v.Verify(large); err != nil {
		t.Errorf("a large one: %v", err)
	}
	for _, c := range []struct {
		name, token string
		want        auth.Reason
	}{
		{"empty", "", auth.ReasonMalformed},
		{"a word", "token", auth.ReasonMalformed},
		{"dots", "..", auth.ReasonMalformed},
		{"many dots", strings.Repeat(".", auth.MaxToken), auth.ReasonMalformed},
		{"two parts", parts[0] + "." + parts[1], auth.ReasonMalformed},
		{"four parts", good + ".", auth.ReasonMalformed},
		{"five parts, of JWE", good + ".a.b", auth.ReasonMalformed},
		{"space", " " + good, auth.ReasonMalformed},
		{"line", good + "\n", auth.ReasonMalformed},
		{"padding", good + "=", auth.ReasonMalformed},
		{"base64 of the other kind", strings.Replace(good, parts[2], "+/+/", 1), auth.ReasonMalformed},
		{"bits behind the end", good[:len(good)-1] + string(nextDigit(good[len(good)-1])), auth.ReasonMalformed},
		{"header is no JSON", encode([]byte("{")) + "." + parts[1] + "." + parts[2], auth.ReasonMalformed},
		{"header is a list", encode([]byte("[]")) + "." + parts[1] + "." + parts[2], auth.ReasonMalformed},
		{"claims are no JSON", s.signText(t, `{"sub":`, nil), auth.ReasonMalformed},
		{"claims are a list", s.signText(t, `["sub"]`, nil), auth.ReasonMalformed},
		{"claims are a string", s.signText(t, `"sub"`, nil), auth.ReasonMalformed},
		{"claims are nothing", s.signText(t, ``, nil), auth.ReasonMalformed},
		{"claims are null", s.signText(t, `null`, nil), auth.ReasonClaim},
		{"claims twice", s.signText(t, `{"sub":"a"}{"sub":"b"}`, nil), auth.ReasonMalformed},
		{"no UTF-8", s.signText(t, "{\"sub\":\"a\xff\",\"exp\":1800000060}", nil), auth.ReasonMalformed},
		{"kid is a number", s.sign(t, claims(nil), object{"kid": 7}), auth.ReasonMalformed},
		{"kid is null", s.sign(t, claims(nil), object{"kid": nil}), auth.ReasonMalformed},
		{"kid is long", s.sign(t, claims(nil), object{"kid": strings.Repeat("k", 300)}), auth.ReasonMalformed},
		{"beyond the limit", s.sign(t, claims(object{"x": strings.Repeat("x", 8000)}), nil), auth.ReasonTooLarge},
		{"huge", strings.Repeat("a", 10<<20), auth.ReasonTooLarge},
		{"deep", s.signText(t, `{"x":`+strings.Repeat("[", 5000), nil), auth.ReasonMalformed},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := v.Verify(c.token)
			wantReason(t, err, "", c.want)
		})
	}
}

// nextDigit changes the lowest bit of a base64 digit.
func nextDigit(c byte) byte {
	const digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	return digits[strings.IndexByte(digits, c)^1]
}

func TestClaims(t *testing.T) {
	s := by("HS256")
	at := now.Unix()
	for _, c := range []struct {
		name   string
		o      auth.Options
		aud    []string
		claims object
		want   auth.Reason
	}{
		{name: "good"},
		{name: "expired", claims: object{"exp": at - 31}, want: auth.ReasonExpired},
		{name: "expired, just", claims: object{"exp": at - 30}, want: auth.ReasonExpired},
		{name: "expired within the leeway", claims: object{"exp": at - 29}},
		{name: "expired without leeway", o: auth.Options{Leeway: -1}, claims: object{"exp": at}, want: auth.ReasonExpired},
		{name: "not expired without leeway", o: auth.Options{Leeway: -1}, claims: object{"exp": at + 1}},
		{name: "expired in 1970", claims: object{"exp": 0}, want: auth.ReasonExpired},
		{name: "exp with a fraction", claims: object{"exp": float64(at) - 29.5}},
		{name: "endless", claims: object{"exp": nil}, want: auth.ReasonClaim},
		{name: "endless, allowed", o: auth.Options{AllowEndless: true}, claims: object{"exp": nil}},
		{name: "endless, allowed, and expired", o: auth.Options{AllowEndless: true}, claims: object{"exp": at - 31}, want: auth.ReasonExpired},
		{name: "exp is text", claims: object{"exp": "1900000000"}, want: auth.ReasonClaim},
		{name: "exp is text, endless allowed", o: auth.Options{AllowEndless: true}, claims: object{"exp": "x"}, want: auth.ReasonClaim},
		{name: "exp is huge", claims: object{"exp": 1e300}, want: auth.ReasonClaim},
		{name: "exp in milliseconds", claims: object{"exp": at * 1000}, want: auth.ReasonClaim},
		{name: "exp is negative", claims: object{"exp": -1}, want: auth.ReasonClaim},
		{name: "exp is a list", claims: object{"exp": []int{1}}, want: auth.ReasonClaim},
		{name: "nbf ahead", claims: object{"nbf": at + 31}, want: auth.ReasonEarly},
		{name: "nbf within the leeway", claims: object{"nbf": at + 30}},
		{name: "nbf is text", claims: object{"nbf": "now"}, want: auth.ReasonClaim},
		{name: "iat ahead", claims: object{"iat": at + 31}, want: auth.ReasonEarly},
		{name: "iat within the leeway", claims: object{"iat": at + 30}},
		{name: "iat is huge", claims: object{"iat": 1e18}, want: auth.ReasonClaim},
		{name: "jti is a number", claims: object{"jti": 7}, want: auth.ReasonClaim},
		{name: "iss is a number", claims: object{"iss": 7}, want: auth.ReasonClaim},

		{name: "aud of somebody, none is ours", claims: object{"aud": "x"}, want: auth.ReasonAudience},
		{name: "no aud, and one is ours", aud: []string{"hoshi"}, want: auth.ReasonAudience},
		{name: "aud", aud: []string{"hoshi"}, claims: object{"aud": "hoshi"}},
		{name: "aud in capitals", aud: []string{"hoshi"}, claims: object{"aud": "Hoshi"}, want: auth.ReasonAudience},
		{name: "aud in a list", aud: []string{"x", "hoshi"}, claims: object{"aud": []string{"y", "hoshi"}}},
		{name: "aud in no list", aud: []string{"hoshi"}, claims: object{"aud": []string{"y", "z"}}, want: auth.ReasonAudience},
		{name: "aud is an empty list", aud: []string{"hoshi"}, claims: object{"aud": []string{}}, want: auth.ReasonAudience},
		{name: "aud is a number", aud: []string{"hoshi"}, claims: object{"aud": 7}, want: auth.ReasonClaim},
		{name: "aud is a list of numbers", aud: []string{"hoshi"}, claims: object{"aud": []int{7}}, want: auth.ReasonClaim},
		{name: "aud of anybody", aud: []string{"*"}, claims: object{"aud": "x"}},
		{name: "aud says anybody", aud: []string{"hoshi"}, claims: object{"aud": "*"}, want: auth.ReasonAudience},

		{name: "no sub", claims: object{"sub": nil}, want: auth.ReasonSubject},
		{name: "sub is empty", claims: object{"sub": ""}, want: auth.ReasonSubject},
		{name: "sub is a number", claims: object{"sub": 7}, want: auth.ReasonSubject},
		{name: "sub in capitals", claims: object{"sub": nil, "Sub": "alice"}, want: auth.ReasonSubject},
		{name: "sub is long", claims: object{"sub": strings.Repeat("x", 256)}, want: auth.ReasonSubject},
		{name: "sub with what could not be decoded", claims: object{"sub": "a\ufffd"}, want: auth.ReasonSubject},

		{name: "required", o: auth.Options{Required: []string{"role", "exp"}}, claims: object{"role": "x"}},
		{name: "required, missing", o: auth.Options{Required: []string{"role"}}, want: auth.ReasonClaim},
		{name: "required, within", o: auth.Options{Required: []string{"/a/b"}}, claims: object{"a": object{"b": 1}}},
		{name: "required, false is something", o: auth.Options{Required: []string{"role"}}, claims: object{"role": false}},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.o.Issuers = []auth.Issuer{{Audiences: c.aud, Keys: []auth.KeySource{s.source(t)}}}
			token := s.sign(t, claims(c.claims), nil)
			_, err := verifier(t, c.o).Verify(token)
			wantReason(t, err, token, c.want)
		})
	}
}

// TestClaimNamesAreExact: what another name says is not taken for the claim.
func TestClaimNamesAreExact(t *testing.T) {
	s := by("HS256")
	for _, payload := range []string{
		`{"sub":"alice","exp":1800000060,"SUB":"mallory","Exp":1900000000}`,
		`{"SUB":"mallory","sub":"alice","exp":1800000060}`,
	} {
		id, err := only(t, s).Verify(s.signText(t, payload, nil))
		if err != nil || id.UID != "alice" || !id.Expires.Equal(now.Add(90*time.Second)) {
			t.Errorf("%s: %+v, %v", payload, id, err)
		}
	}
	for _, payload := range []string{ // lone surrogates would all be one name
		`{"sub":"a\ud800","exp":1800000060}`,
		`{"sub":null,"exp":1800000060}`,
	} {
		_, err := only(t, s).Verify(s.signText(t, payload, nil))
		wantReason(t, err, "", auth.ReasonSubject)
	}
}

// TestSpaces: JSON as people write it.
func TestSpaces(t *testing.T) {
	s := by("HS256")
	payload := "\n{ \"sub\" : \"al\\u0069ce\" ,\t\"exp\" : 1800000060 , \"iat\":\r\n1.8e9 , \"aud\" : [ \"x\" , \"y\" ] , \"a\" : null , \"b\" : { \"c\" : true } }\n"
	v := verifier(t, auth.Options{
		Issuers:  []auth.Issuer{{Audiences: []string{"y"}, Keys: []auth.KeySource{s.source(t)}}},
		Required: []string{"b"},
	})
	id, err := v.Verify(s.signText(t, payload, nil))
	wantReason(t, err, "", "")
	if id.UID != "alice" || !id.IssuedAt.Equal(now) || !id.Claims.Holds("/b/c", "true") || id.Claims.Has("a") {
		t.Errorf("%+v", id)
	}
}

func TestIssuers(t *testing.T) {
	a, b := by("HS256"), by("ES256")
	v := verifier(t, auth.Options{Issuers: []auth.Issuer{
		{Name: "https://a.example", Keys: []auth.KeySource{a.source(t)}},
		{Name: "https://b.example", Keys: []auth.KeySource{b.source(t)}, Audiences: []string{"hoshi"}},
	}})
	for _, c := range []struct {
		name string
		by   signer
		iss  any
		aud  any
		want auth.Reason
	}{
		{"a", a, "https://a.example", nil, ""},
		{"b", b, "https://b.example", "hoshi", ""},
		{"a signs for b", a, "https://b.example", "hoshi", auth.ReasonAlgorithm},
		{"b signs for a", b, "https://a.example", nil, auth.ReasonAlgorithm},
		{"b with the audience of a", b, "https://b.example", nil, auth.ReasonAudience},
		{"nobody", a, nil, nil, auth.ReasonIssuer},
		{"empty", a, "", nil, auth.ReasonIssuer},
		{"with a slash", a, "https://a.example/", nil, auth.ReasonIssuer},
		{"a list", a, []string{"https://a.example"}, nil, auth.ReasonClaim},
	} {
		t.Run(c.name, func(t *testing.T) {
			token := c.by.sign(t, claims(object{"iss": c.iss, "aud": c.aud}), nil)
			id, err := v.Verify(token)
			wantReason(t, err, token, c.want)
			if err == nil && id.Issuer != c.iss {
				t.Errorf("issuer %q", id.Issuer)
			}
		})
	}
}

func TestKeyIDs(t *testing.T) {
	one := signer{"RS256", rsaKey}
	two := signer{"RS256", rsaTwo}
	named := func(id string, s signer) auth.KeySource {
		k := s.source(t)
		k.ID = id
		return k
	}
	for _, c := range []struct {
		name string
		keys []auth.KeySource
		by   signer
		kid  any
		want auth.Reason
	}{
		{"named", []auth.KeySource{named("1", one), named("2", two)}, two, "2", ""},
		{"named by the other", []auth.KeySource{named("1", one), named("2", two)}, two, "1", auth.ReasonSignature},
		{"not named", []auth.KeySource{named("1", one), named("2", two)}, two, nil, ""},
		{"unknown", []auth.KeySource{named("1", one), named("2", two)}, two, "3", auth.ReasonKey},
		{"empty", []auth.KeySource{named("1", one), named("2", two)}, two, "", auth.ReasonKey},
		{"a path", []auth.KeySource{named("1", one)}, one, "../../../../dev/null", auth.ReasonKey},
		{"a name for keys without", []auth.KeySource{named("", one), named("", two)}, two, "x", ""},
		{"twice the same name", []auth.KeySource{named("1", one), named("1", two)}, two, "1", ""},
		{"a secret that nobody has", []auth.KeySource{named("1", one)}, by("HS256"), "2", auth.ReasonKey},
	} {
		t.Run(c.name, func(t *testing.T) {
			v := verifier(t, auth.Options{Issuers: []auth.Issuer{{Keys: c.keys}}})
			header := object{}
			if c.kid != nil {
				header["kid"] = c.kid
			}
			token := c.by.sign(t, claims(nil), header)
			_, err := v.Verify(token)
			wantReason(t, err, token, c.want)
		})
	}
}

// TestTries: a token that names no key has eight of them checked.
func TestTries(t *testing.T) {
	var all []signer
	var sources []auth.KeySource
	for range 9 {
		s := newES256()
		all, sources = append(all, s), append(sources, s.source(t))
	}
	v := verifier(t, auth.Options{Issuers: []auth.Issuer{{Keys: sources}}})
	for i, s := range all {
		token := s.sign(t, claims(nil), nil)
		_, err := v.Verify(token)
		want := auth.Reason("")
		if i == 8 {
			want = auth.ReasonSignature
		}
		wantReason(t, err, token, want)
	}
}

func FuzzVerify(f *testing.F) {
	s := by("HS256")
	v := only(f, s)
	f.Add(s.sign(f, claims(nil), nil))
	f.Add(s.sign(f, claims(object{"aud": []string{"x"}, "iat": 1.5, "jti": "x"}), object{"kid": "k"}))
	f.Add(by("ES256").sign(f, claims(nil), nil))
	f.Add("e30.e30.")
	good := s.sign(f, claims(nil), nil)
	signed := map[string]bool{good: true}
	f.Fuzz(func(t *testing.T, token string) {
		id, err := v.Verify(token)
		if err == nil && (id.UID != "alice" || !signed[token]) {
			t.Fatalf("taken: %q", token)
		}
		// The same bytes as claims that are signed well: whatever they are, they
		// make an identity that can be used, or an error.
		id, err = v.Verify(s.signText(t, token, nil))
		if err == nil && (id.UID == "" || len(id.UID) > 255 || !id.Expires.After(now)) {
			t.Fatalf("identity %+v of %q", id, token)
		}
	})
}
