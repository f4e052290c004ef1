package dialect

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
)

// known are the dialects that there are.
var known = []Dialect{SenteLite{}}

// Share is a dialect and how many of the clients speak it, in relation to the
// others'.
type Share struct {
	Dialect Dialect
	Weight  int
}

// maxWeight bounds a weight, so that no product overflows.
const maxWeight = 1_000_000

// ParseShares reads "sente-lite=70,other=30"; a name alone has the weight 1.
func ParseShares(text string) ([]Share, error) {
	var shares []Share
	for part := range strings.SplitSeq(text, ",") {
		name, number, weighted := strings.Cut(strings.TrimSpace(part), "=")
		s := Share{Weight: 1}
		for _, d := range known {
			if d.Name() == name {
				s.Dialect = d
			}
		}
		if s.Dialect == nil {
			return nil, fmt.Errorf("dialect: %q is unknown, there is: %s", name, strings.Join(Names(), ", "))
		}
		if weighted {
			var err error
			if s.Weight, err = strconv.Atoi(number); err != nil || s.Weight < 1 || s.Weight > maxWeight {
				return nil, fmt.Errorf("dialect: %q, want a weight from 1 to %d behind %s=", number, maxWeight, name)
			}
		}
		for _, other := range shares {
			if other.Dialect == s.Dialect {
				return nil, fmt.Errorf("dialect: %s is there twice", name)
			}
		}
		shares = append(shares, s)
	}
	return shares, nil
}

// Names returns what the dialects are called.
func Names() []string {
	var names []string
	for _, d := range known {
		names = append(names, d.Name())
	}
	return names
}

// Spread gives each of n clients the number of a share: as many as its weight says,
// mixed as if by chance, and the same each time.
func Spread(shares []Share, n int) []int {
	total := 0
	for _, s := range shares {
		total += s.Weight
	}
	out := make([]int, 0, n)
	sum := 0
	for i, s := range shares {
		sum += s.Weight
		for len(out) < (n*sum+total/2)/total {
			out = append(out, i)
		}
	}
	chance := rand.New(rand.NewPCG(uint64(n), 2)) //nolint:gosec // the same each time on purpose
	chance.Shuffle(n, func(i, j int) { out[i], out[j] = out[j], out[i] })
	return out
}
