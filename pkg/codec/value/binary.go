package value

// Binary is a Sink that can hold byte strings, which EDN has not. A reader that
// meets one tells it to a Binary as it is, and to another Sink as a String in
// base64 (RFC 4648, section 4, with padding).
type Binary interface {
	Sink
	ByteString(b []byte)
}
