package client

import "slices"

// table holds registrations so that a message finds those that may want it, in
// the order in which they were registered.
type table struct {
	byID      map[string]*bucket // by event id
	byChannel map[EDN]*bucket    // by canonical channel id
	others    bucket             // with a predicate, or for every event
}

// bucket is a list of registrations. Those that have ended stay until half of
// them have, so that ending one of thousands is cheap; but not in front, where
// most waiters end and each message would have to pass them.
type bucket struct {
	entries []*Registration // by seq
	dropped int             // how many of them are
}

// add takes in r, whose seq is larger than that of every other.
func (t *table) add(r *Registration) {
	l := t.list(r)
	if l == nil {
		l = new(bucket)
		if r.channel != "" {
			if t.byChannel == nil {
				t.byChannel = make(map[EDN]*bucket)
			}
			t.byChannel[r.channel] = l
		} else {
			if t.byID == nil {
				t.byID = make(map[string]*bucket)
			}
			t.byID[r.id] = l
		}
	}
	l.entries = append(l.entries, r)
	r.listed = true
}

// list returns the list that r belongs to, nil where it is still to be made.
func (t *table) list(r *Registration) *bucket {
	switch {
	case r.channel != "":
		return t.byChannel[r.channel]
	case r.match != nil || r.id == everyID:
		return &t.others
	}
	return t.byID[r.id]
}

// drop says that r has ended. It must not be called between the steps of a
// cursor.
func (t *table) drop(r *Registration) {
	if !r.listed {
		return
	}
	l := t.list(r)
	r.listed = false
	l.dropped++
	for len(l.entries) > 0 && !l.entries[0].listed {
		l.entries[0] = nil
		l.entries = l.entries[1:]
		l.dropped--
	}
	if len(l.entries) > 0 {
		if 2*l.dropped >= len(l.entries) {
			l.entries = slices.DeleteFunc(l.entries, func(e *Registration) bool { return !e.listed })
			l.dropped = 0
		}
		return
	}
	switch {
	case l == &t.others:
		l.entries = nil
	case r.channel != "":
		delete(t.byChannel, r.channel)
	default:
		delete(t.byID, r.id)
	}
}

// all returns every registration, in no order.
func (t *table) all() []*Registration {
	all := append([]*Registration(nil), t.others.entries...)
	for _, l := range t.byID {
		all = append(all, l.entries...)
	}
	for _, l := range t.byChannel {
		all = append(all, l.entries...)
	}
	return all
}

// cursor goes through the registrations that may want a message, by seq.
type cursor struct {
	id, channel, others []*Registration
}

// find returns a cursor for m; published is what m holds where it is a message
// of a channel, which is found out only where somebody wants to know.
func (t *table) find(m Message, published *ChannelMessage) cursor {
	c := cursor{others: t.others.entries}
	if l := t.byID[m.ID]; l != nil {
		c.id = l.entries
	}
	if len(t.byChannel) > 0 {
		var ok bool
		if *published, ok = m.Channel(); ok {
			if l := t.byChannel[published.Channel]; l != nil {
				c.channel = l.entries
			}
		}
	}
	return c
}

// next returns the next registration, nil after the last.
func (c *cursor) next() *Registration {
	first := &c.id
	for _, l := range [...]*[]*Registration{&c.channel, &c.others} {
		if len(*l) > 0 && (len(*first) == 0 || (*l)[0].seq < (*first)[0].seq) {
			first = l
		}
	}
	if len(*first) == 0 {
		return nil
	}
	r := (*first)[0]
	*first = (*first)[1:]
	return r
}
