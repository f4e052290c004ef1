package words

import (
	"strings"
	"sync"

	"github.com/hoshi-ws/hoshi/pkg/codec"
)

// Phrase is a value with holes, in one format: the texts before, between and
// behind them.
type Phrase []string

// hole stands in a phrase's EDN for a hole, in a way that is found again in every
// format.
const hole = `"-HOLE-"`

// NewPhrase returns the phrase of an EDN text in which each % is a hole, which may be
// in vectors and maps only: MessagePack has the length of a set before it. Text that
// no format can say is a broken program, and panics.
func NewPhrase(f codec.Format, text string) Phrase {
	return Phrase(strings.Split(inFormat(f, strings.ReplaceAll(text, "%", hole)), inFormat(f, hole)))
}

func inFormat(f codec.Format, text string) string {
	c := converters.Get().(*codec.Converter)
	defer converters.Put(c)
	p, err := c.Append(nil, []byte(text), codec.EDN, f)
	if err != nil {
		panic("words: " + text + ": " + err.Error())
	}
	return string(p)
}

// Append appends the phrase with one value of its format in each hole.
func (p Phrase) Append(dst []byte, values ...[]byte) []byte {
	for i, v := range values {
		dst = append(append(dst, p[i]...), v...)
	}
	return append(dst, p[len(values)]...)
}

// converters serve what is converted for a message, which is short: names, uids,
// keywords.
var converters = sync.Pool{New: func() any { return new(codec.Converter) }}
