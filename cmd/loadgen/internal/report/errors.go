package report

import "errors"

// ErrInterrupted is what a run returns, with the result so far, when its context
// ends.
var ErrInterrupted = errors.New("interrupted")
