package edn

// AppendString appends s, which must be UTF-8, as a string literal in which only \" \\ \n \r \t \b \f are escaped.
func AppendString(dst []byte, s string) []byte { return dst }

// Unquote appends the value of a string literal (with its quotes), as UTF-8. It refuses anything else, and lone surrogates.
func Unquote(dst, literal []byte) ([]byte, error) { return dst, newError(literal, 0, ReasonUnknown) }
