package edn

import (
	"fmt"

	olympos "olympos.io/encoding/edn"
)

// Decode reads p into the Go value that v points to, with olympos.io/encoding/edn: for configuration and typed values, not
// for what travels, because it covers less of the notation (no #:ns{}, no ##NaN, no ratios) and allocates.
func Decode(p []byte, v any) error {
	if err := olympos.Unmarshal(p, v); err != nil {
		return fmt.Errorf("edn: decode: %w", err)
	}
	return nil
}

// Marshal returns the text of a Go value, with olympos.io/encoding/edn.
func Marshal(v any) ([]byte, error) {
	p, err := olympos.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("edn: marshal: %w", err)
	}
	return p, nil
}
