package codec

// Kept returns the bytes of scratch that p keeps.
func (p *Parser) Kept() int {
	return cap(p.text) + cap(p.id.text) + 8*(cap(p.fields.json)+cap(p.fields.transit)+cap(p.fields.msgpack))
}
