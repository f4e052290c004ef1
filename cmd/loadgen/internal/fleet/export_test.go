package fleet

// What the black-box tests reach.
var (
	AppendData = appendData
	ParseData  = parseData
)

// URLs is Options.urls.
func URLs(o Options, i int) []string { return o.urls(i) }
