package bus

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/rs/zerolog"
)

// TestComplaintRate: whatever the causes, an hour of attempts is some lines in each
// half minute, and one cause is one.
func TestComplaintRate(t *testing.T) {
	for _, tt := range []struct {
		name  string
		cause func(i int) error
		most  int
	}{
		{name: "one cause", cause: func(int) error { return errors.New("refused") }, most: 120},
		{name: "one cause at many addresses", cause: func(i int) error { return fmt.Errorf("dial %d: %w", i, errors.New("refused")) }, most: 120},
		{name: "two in turns", cause: func(i int) error { return fmt.Errorf("cause %d", i%2) }, most: 120 * (1 + changesTold)},
		{name: "always another", cause: func(i int) error { return fmt.Errorf("port %d", i) }, most: 120 * (1 + changesTold)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var c complaint
			now, told := time.Unix(1, 0), 0
			for i := range 3600 {
				if c.level(now, tt.cause(i)) == zerolog.WarnLevel {
					told++
				} else if i == 0 {
					t.Error("the first is not told")
				}
				now = now.Add(time.Second)
			}
			if told > tt.most || told < 100 {
				t.Errorf("%d lines in an hour, want %d at most", told, tt.most)
			}
		})
	}
}
