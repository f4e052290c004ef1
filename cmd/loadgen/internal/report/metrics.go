package report

// metric is a number of a result that can be compared.
type metric struct {
	name   string
	higher bool // more is better; else less is
	key    bool // it decides whether one result is worse than another
	// of returns the number, and whether the result has it.
	of func(r *Result) (float64, bool)
}

// metrics are in the order of the table.
var metrics = func() []metric {
	var all []metric
	add := func(name string, higher, key bool, of func(r *Result) (float64, bool)) {
		all = append(all, metric{name, higher, key, of})
	}
	// latency adds the quantiles of one distribution; its p99 is a key metric.
	latency := func(name string, of func(r *Result) Quantiles) {
		quantile := func(name string, key bool, pick func(q Quantiles) float64) {
			add(name, false, key, func(r *Result) (float64, bool) {
				q := of(r)
				return pick(q), q.Count > 0
			})
		}
		quantile(name+" p50 ms", false, func(q Quantiles) float64 { return q.P50 })
		quantile(name+" p90 ms", false, func(q Quantiles) float64 { return q.P90 })
		quantile(name+" p99 ms", true, func(q Quantiles) float64 { return q.P99 })
		quantile(name+" p99.9 ms", false, func(q Quantiles) float64 { return q.P999 })
		quantile(name+" max ms", false, func(q Quantiles) float64 { return q.Max })
	}
	sent := func(of func(r *Result) float64) func(r *Result) (float64, bool) {
		return func(r *Result) (float64, bool) { return of(r), r.Sent > 0 }
	}
	add("deliveries/s", true, true, sent(func(r *Result) float64 { return r.Rate }))
	latency("latency", func(r *Result) Quantiles { return r.Latency })
	add("lost", false, true, sent(func(r *Result) float64 { return float64(r.Lost) }))
	add("out of order", false, true, sent(func(r *Result) float64 { return float64(r.OutOfOrder) }))
	add("unexpected", false, false, sent(func(r *Result) float64 { return float64(r.Unexpected) }))
	add("dropped", false, true, sent(func(r *Result) float64 { return float64(r.Dropped) }))

	storm := func(of func(s *Storm) float64) func(r *Result) (float64, bool) {
		return func(r *Result) (float64, bool) {
			if r.Storm == nil {
				return 0, false
			}
			return of(r.Storm), true
		}
	}
	add("connects/s", true, true, storm(func(s *Storm) float64 { return s.PerSecond }))
	add("failures", false, true, storm(func(s *Storm) float64 { return float64(s.Failures) }))
	add("ended", false, true, storm(func(s *Storm) float64 { return float64(sum(s.Ended)) }))
	latency("connect", func(r *Result) Quantiles { return pick(r.Storm, func(s *Storm) Quantiles { return s.Total }) })
	add("connect s", false, false, func(r *Result) (float64, bool) { return r.ConnectSeconds, r.Connections > 0 })

	clients := func(of func(c *Clients) float64) func(r *Result) (float64, bool) {
		return func(r *Result) (float64, bool) { return pick(r.Clients, of), r.Clients != nil }
	}
	add("disconnects", false, false, clients(func(c *Clients) float64 { return float64(c.Disconnects) }))
	add("failed attempts", false, false, clients(func(c *Clients) float64 { return float64(c.FailedAttempts) }))
	add("away", false, true, clients(func(c *Clients) float64 { return float64(c.Away) }))
	add("fullest 100 ms", false, false, clients(func(c *Clients) float64 { return float64(c.Peak()) }))
	add("all back s", false, true, func(r *Result) (float64, bool) {
		back := pick(r.Clients, func(c *Clients) float64 { return c.AllBack })
		return back, back > 0
	})

	laggards := func(name string, of func(r *Result) *Laggards) {
		number := func(what string, higher bool, pick func(l *Laggards) float64) {
			add(name+" "+what, higher, false, func(r *Result) (float64, bool) {
				l := of(r)
				if l == nil {
					return 0, false
				}
				return pick(l), true
			})
		}
		number("deliveries", true, func(l *Laggards) float64 { return float64(l.Deliveries) })
		number("dropped", false, func(l *Laggards) float64 { return float64(l.Dropped) })
		number("ended", false, func(l *Laggards) float64 { return float64(sum(l.Ended)) })
	}
	laggards("slow", func(r *Result) *Laggards { return r.Slow })
	laggards("frozen", func(r *Result) *Laggards { return r.Frozen })

	// The memory of a scenario that sends is mostly not that of its connections.
	add("server bytes/connection", false, true, func(r *Result) (float64, bool) {
		return pick(r.Server, func(s *Server) float64 { return s.PerConnection }), r.Server != nil && r.Server.RSSFull > 0 && r.Sent == 0 && r.Storm == nil
	})
	add("server cpu s/million", false, true, func(r *Result) (float64, bool) {
		return pick(r.Server, func(s *Server) float64 { return s.CPUPerMillion }), r.Server != nil && r.Deliveries > 0
	})
	add("client cpu s", false, false, sent(func(r *Result) float64 { return r.ClientCPU }))
	return all
}()

// pick returns what of finds in v, zero where there is none.
func pick[T, U any](v *T, of func(*T) U) (u U) {
	if v != nil {
		u = of(v)
	}
	return u
}

func sum(counts map[string]int64) (n int64) {
	for _, c := range counts {
		n += c
	}
	return n
}
