package codec

// Format is a notation of values.
type Format uint8

// The formats, numbered from 0, so that an array by Format holds one thing for each.
const (
	EDN            Format = iota // the default
	JSON                         // by the rule of docs/formats.md
	Transit                      // Transit in JSON, the ordinary form
	TransitVerbose               // Transit in JSON, the verbose form
	MessagePack                  // with the extensions of Sente's packer

	Formats = iota // how many there are
)

var formatNames = [Formats]string{EDN: "edn", JSON: "json", Transit: "transit", TransitVerbose: "transit-verbose", MessagePack: "msgpack"}

// String returns the name that settings and counters have for the format.
func (f Format) String() string {
	if int(f) < len(formatNames) {
		return formatNames[f]
	}
	return "unknown"
}

// ParseFormat returns the format with this name.
func ParseFormat(name string) (f Format, ok bool) {
	for i, s := range formatNames {
		if s == name {
			return Format(i), true
		}
	}
	return 0, false
}

// Binary tells whether the format is bytes rather than text in UTF-8.
func (f Format) Binary() bool { return f == MessagePack }

// Carried returns the format that bodies in f are declared as on NATS. Transit has one name there, because its readers take
// both forms, also mixed: what a client writes in the verbose one travels as it is, and counts as Transit from then on.
func (f Format) Carried() Format {
	if f == TransitVerbose {
		return Transit
	}
	return f
}

var nils = [Formats]string{EDN: "nil", JSON: "null", Transit: "null", TransitVerbose: "null", MessagePack: "\xC0"}

// Nil returns the value that is nothing, as a part of a message.
func (f Format) Nil() string {
	if int(f) < len(nils) {
		return nils[f]
	}
	return nils[EDN]
}

// AppendWhole appends p, one value in format f as a part of a message has it, as it is where it is all of a body: in Transit
// a value that is no collection has a quote around it, without which some readers take no whole text. In every other format,
// and for an event, that is p. Scanner.Value takes the quote off again.
func (f Format) AppendWhole(dst, p []byte) []byte {
	scalar := len(p) > 0 && p[0] != '[' && p[0] != '{'
	switch {
	case scalar && f == Transit:
		return append(append(append(dst, `["~#'",`...), p...), ']')
	case scalar && f == TransitVerbose:
		return append(append(append(dst, `{"~#'":`...), p...), '}')
	}
	return append(dst, p...)
}
