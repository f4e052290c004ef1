package edge

import "net/http"

// A page of another origin than the node's may poll and send, as it may open a
// WebSocket; it cannot send cookies with that.

// corsHeaders are those that clients of Sente send beyond what browsers let
// every page send.
const corsHeaders = "X-CSRF-Token, X-Requested-With, Content-Type"

// allowOrigin lets a page of another origin read the answer.
func allowOrigin(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Origin") != "" {
		w.Header().Set("Access-Control-Allow-Origin", "*")
	}
}

// servePreflight answers a browser that asks for a page of another origin
// whether it may.
func (n *Node) servePreflight(w http.ResponseWriter, r *http.Request) {
	allowOrigin(w, r)
	h := w.Header()
	h.Set("Access-Control-Allow-Methods", "GET, POST")
	h.Set("Access-Control-Allow-Headers", corsHeaders)
	h.Set("Access-Control-Max-Age", "600")
	w.WriteHeader(http.StatusNoContent)
}
