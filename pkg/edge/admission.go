package edge

import (
	"iter"
	"net/url"

	"github.com/hoshi-ws/hoshi/internal/auth"
	"github.com/hoshi-ws/hoshi/internal/dialect/sente"
	"github.com/hoshi-ws/hoshi/internal/wsconn/handshake"
)

// admission is one request of somebody who wants to come, until it is let in or
// refused. One step calls the next:
//
//	judge     what the request itself tells: the dialect, who may come from where
//	verify    the token, if there is one; elsewhere if that takes long
//	identify  the format, and the uid
//	callOut   what a backend says, where one is asked
//
// A step that has to wait, on a loop that must not, gives what follows away and
// returns. An upgrade's reading is paused meanwhile, so nothing of the client
// comes. Owned by who admits: the connection's loop, or the request's goroutine
// until it has called admit.
type admission struct {
	// Fixed.
	node      *Node
	path      string
	from      *caller
	protocols iter.Seq[string]
	repeats   bool                      // a poll or a send: the same comes again and again
	echo      bool                      // for Options.WSEcho: only origin and token count
	post      func(fn func())           // brings fn to who admits
	done      func(*identity, *refusal) // hears the end, once

	// What is known of who comes, and of what follows.
	who     identity
	isSente bool
}

// admit begins.
func (n *Node) admit(a *admission) {
	a.node = n
	n.guard(a)
	if refused := a.judge(); refused != nil {
		a.refuse(refused)
		return
	}
	token, refused := n.access.judge(a.from, a.isSente)
	if refused == nil {
		a.who.until = until(a.from.certificate)
		a.who.who, refused = n.access.shown(a.from.certificate)
	}
	switch {
	case refused != nil:
		a.refuse(refused)
	case token == "":
		a.identify()
	default:
		n.verify(token, a.post, a.verified)
	}
}

func (a *admission) refuse(r *refusal) { a.done(nil, r) }

// judge finds out the dialect, and whether the path and the client-id can be.
func (a *admission) judge() *refusal {
	if a.echo {
		return nil
	}
	n, query := a.node, a.from.query
	a.isSente = a.path == "/chsk" || query.Has("client-id")
	switch {
	case a.path != "/" && a.path != "/ws" && a.path != "/chsk":
		return refusePath
	case n.opts.Dialect != "":
		a.isSente = n.opts.Dialect == sente.Name
	}
	if refused := n.turnedAway(a.repeats); refused != nil {
		return refused
	}
	if a.isSente {
		var ok bool
		if a.who.client, a.who.clientToken, ok = clientToken(query["client-id"]); !ok {
			return refuseClient
		}
	}
	return nil
}

// verified takes what has been found out about the token.
func (a *admission) verified(who auth.Identity, refused *refusal) {
	if refused != nil {
		a.refuse(refused)
		return
	}
	if shown := a.who.who; shown != nil && shown.UID != who.UID {
		a.refuse(refuseConflict)
		return
	}
	a.who.who = &who
	a.identify()
}

// identify chooses the voice, and the uid.
func (a *admission) identify() {
	n, who, query := a.node, &a.who, a.from.query
	var ok bool
	if who.voice, who.protocol, ok = n.chooseVoice(a.isSente, a.protocols, query["format"]); !ok && !a.echo {
		a.refuse(refuseFormat)
		return
	}
	given := []string(nil)
	if who.who != nil {
		given = []string{who.who.UID}
	} else if p := n.opts.InsecureUIDParam; p != "" && query.Has(p) && !a.echo {
		given = query[p]
	}
	if given != nil {
		if who.uid, ok = uidToken(given); !ok {
			a.refuse(refuseUID)
			return
		}
	}
	if a.echo {
		a.done(who, nil)
		return
	}
	who.conn = n.ids.Next(n.now().UnixMilli())
	a.callOut()
}

// callerOf returns who sends an upgrade.
func callerOf(r *handshake.Request) (*caller, *refusal) {
	var query url.Values
	if raw := r.RawQuery(); raw != "" {
		var err error
		if query, err = url.ParseQuery(raw); err != nil {
			return nil, refuseQuery
		}
	}
	return &caller{Request: r, host: r.Host, query: query, certificate: r.Certificate, addr: r.Addr}, nil
}
