package edn

// Elements walks the forms directly inside a list, vector or set (for a map: keys and values in turn). It does not
// allocate. The text must have passed Check, and must not change meanwhile.
type Elements struct {
	p   []byte
	pos int
}

// ElementsOf returns a walk over the collection f of p. A form that is no collection has no elements.
func ElementsOf(p []byte, f Form) Elements { return Elements{p: p, pos: f.Body} }

// Next returns the next form, or false after the last.
func (e *Elements) Next() (Form, bool) { return Form{}, false }

// Entries walks the entries of a map, #:ns{} included. It does not allocate. The text must have passed Check, and must not
// change meanwhile.
type Entries struct {
	el Elements
	ns []byte
}

// EntriesOf returns a walk over the map f of p. A form that is no map has no entries.
func EntriesOf(p []byte, f Form) Entries { return Entries{el: ElementsOf(p, f)} }

// Next returns the next key and value, or false after the last. In a #:ns{} map the key's own text lacks the namespace:
// KeyIs and AppendKey know it.
func (e *Entries) Next() (key, value Form, ok bool) { return Form{}, Form{}, false }

// KeyIs tells whether key, which Next returned, is the keyword (or symbol) with this text, such as ":channel-id".
func (e *Entries) KeyIs(key Form, text string) bool { return false }

// AppendKey appends the text of key, which Next returned, with the namespace that a #:ns{} map gives it.
func (e *Entries) AppendKey(dst []byte, key Form) []byte { return dst }
