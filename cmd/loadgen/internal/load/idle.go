package load

// idle holds connections open and sends nothing.
type idle struct{ plain }
