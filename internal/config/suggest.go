package config

import "fmt"

// didYouMean returns ", did you mean X?" for the candidate closest to name, or
// nothing when none is near enough to be a slip of the fingers. The candidate
// is written by spell.
func didYouMean(name string, candidates []string, spell func(string) string) string {
	best, distance := "", min(3, max(1, len(name)/3))+1
	for _, c := range candidates {
		if d := editDistance(name, c); d < distance {
			best, distance = c, d
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf(", did you mean %s?", spell(best))
}

// editDistance counts the insertions, deletions, substitutions and swaps of
// neighbours that turn a into b. It works on bytes: option names are ASCII.
func editDistance(a, b string) int {
	if len(a) > 64 || len(b) > 64 {
		return max(len(a), len(b)) // nobody misspells that; keep the cost bounded
	}
	var before, last, row [65]int
	for j := 0; j <= len(b); j++ {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last = last, row
	}
	return last[len(b)]
}
