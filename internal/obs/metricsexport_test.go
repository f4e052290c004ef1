package obs

import "slices"

// MetricNames are the names of all metrics of a node.
func MetricNames() []string {
	names := []string{infoMetric.name}
	for i := range metricTable {
		names = append(names, metricTable[i].name)
	}
	return names
}

// MetricSources are the fields that metrics are taken from.
func MetricSources() (paths []string) {
	for i := range metricTable {
		for _, s := range metricTable[i].from {
			paths = append(paths, s.stat)
		}
	}
	return paths
}

// MetricKind is the type of a metric, "" for none.
func MetricKind(name string) string {
	i := slices.IndexFunc(metricTable, func(m metric) bool { return m.name == name })
	if i < 0 {
		return ""
	}
	return string(metricTable[i].kind)
}

// MaxSeries bounds the series of one metric.
const MaxSeries = maxSeries
