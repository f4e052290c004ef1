package main

import (
	"crypto/hmac"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io/fs"
	"net/http"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

//go:embed static
var static embed.FS

const (
	// tokenTime is how long a token is good. The node ends the connection with it,
	// and the page comes back with a new one.
	tokenTime = 15 * time.Minute
	// maxName is the longest name in runes.
	maxName = 40
)

// handler serves the page, /token and /health.
func handler(secret []byte, healthy func() bool, now func() time.Time) http.Handler {
	files, err := fs.Sub(static, "static")
	if err != nil {
		panic(err) // it is embedded
	}
	mux := http.NewServeMux()
	page := http.FileServerFS(files)
	mux.HandleFunc("GET /", func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Cache-Control", "no-cache")
		h.Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; img-src data:; connect-src 'self' ws: wss:; frame-ancestors 'none'; base-uri 'none'; form-action 'self'")
		h.Set("X-Content-Type-Options", "nosniff")
		page.ServeHTTP(w, r)
	})
	mux.HandleFunc("GET /health", func(w http.ResponseWriter, _ *http.Request) {
		if !healthy() {
			http.Error(w, "no NATS at the moment", http.StatusServiceUnavailable)
			return
		}
		fmt.Fprintln(w, "ok")
	})
	mux.HandleFunc("POST /token", func(w http.ResponseWriter, r *http.Request) {
		var body struct {
			Name string `json:"name"`
		}
		if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<10)).Decode(&body); err != nil {
			http.Error(w, `want {"name": "..."}`, http.StatusBadRequest)
			return
		}
		name := strings.TrimSpace(body.Name)
		if !goodName(name) {
			http.Error(w, fmt.Sprintf("a name has 1 to %d printable characters", maxName), http.StatusBadRequest)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Cache-Control", "no-store")
		// An error is a browser that has gone.
		_ = json.NewEncoder(w).Encode(map[string]string{"name": name, "token": sign(secret, name, now())})
	})
	return http.NewCrossOriginProtection().Handler(mux)
}

// goodName says whether somebody may call himself that. A name like a conn-id would
// be refused by the node.
func goodName(name string) bool {
	n := utf8.RuneCountInString(name)
	return n > 0 && n <= maxName && utf8.ValidString(name) && !strings.HasPrefix(name, "conn-") &&
		strings.IndexFunc(name, func(r rune) bool { return !unicode.IsPrint(r) }) < 0
}

// sign makes a token (RFC 7515, HS256) for a user, as docs/access.md has them.
func sign(secret []byte, uid string, now time.Time) string {
	claims, err := json.Marshal(map[string]any{"sub": uid, "iat": now.Unix(), "exp": now.Add(tokenTime).Unix()})
	if err != nil {
		panic(err) // a string and two numbers
	}
	enc := base64.RawURLEncoding
	text := enc.EncodeToString([]byte(`{"alg":"HS256","typ":"JWT"}`)) + "." + enc.EncodeToString(claims)
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte(text))
	return text + "." + enc.EncodeToString(mac.Sum(nil))
}
