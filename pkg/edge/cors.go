package edge

import (
	"net/http"

	"github.com/hoshi-ws/hoshi/internal/auth"
)

// corsHeaders are those that clients of Sente send beyond what browsers let
// every page send.
const corsHeaders = "X-CSRF-Token, X-Requested-With, Content-Type, Authorization"

// allowOrigin lets a page of another origin that may connect read the answer
// too. Where every origin may come, none may send cookies with that.
func (n *Node) allowOrigin(w http.ResponseWriter, r *http.Request) bool {
	h := w.Header()
	origin := r.Header.Get("Origin")
	switch {
	case origin == "":
	case n.access.anywhere:
		h.Set("Access-Control-Allow-Origin", "*")
	case n.access.origins.Check(auth.HTTP(r), r.Host) != nil:
		return false
	default:
		h.Set("Access-Control-Allow-Origin", origin)
		h.Set("Access-Control-Allow-Credentials", "true")
	}
	if !n.access.anywhere {
		h.Add("Vary", "Origin")
	}
	return true
}

// servePreflight answers a browser that asks for a page of another origin
// whether it may.
func (n *Node) servePreflight(w http.ResponseWriter, r *http.Request) {
	if !n.allowOrigin(w, r) {
		n.refuseAjax(w, refuseOrigin)
		return
	}
	h := w.Header()
	h.Set("Access-Control-Allow-Methods", "GET, POST")
	h.Set("Access-Control-Allow-Headers", corsHeaders)
	h.Set("Access-Control-Max-Age", "600")
	w.WriteHeader(http.StatusNoContent)
}
