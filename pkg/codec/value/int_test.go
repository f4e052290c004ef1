package value_test

import (
	"math"
	"testing"

	"github.com/hoshi-ws/hoshi/pkg/codec/value"
)

func TestInt64(t *testing.T) {
	for _, tt := range []struct {
		digits string
		want   int64
		ok     bool
	}{
		{"0", 0, true},
		{"-1", -1, true},
		{"9223372036854775807", math.MaxInt64, true},
		{"-9223372036854775808", math.MinInt64, true},
		{"9223372036854775808", 0, false},
		{"-9223372036854775809", 0, false},
		{"9999999999999999999", 0, false},
		{"10000000000000000000", 0, false},
		{"18446744073709551617", 0, false},
		{"", 0, false},
		{"-", 0, false},
	} {
		if v, ok := value.Int64([]byte(tt.digits)); v != tt.want || ok != tt.ok {
			t.Errorf("%s: %d %v, want %d %v", tt.digits, v, ok, tt.want, tt.ok)
		}
	}
}
