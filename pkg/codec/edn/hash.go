package edn

import (
	"bytes"
	"cmp"
	"crypto/rand"
	"encoding/binary"
	"hash/maphash"
	"math"
	"math/bits"
	"slices"
)

// Hashes are seeded for each process, so that nobody outside can make values collide: an equal hash then means an equal value
// but for a chance of 2^-64, and the slow confirmation runs once, for the duplicate that ends the scan. Numbers are hashed
// as their residue modulo a random prime: that takes time in proportion to their digits in any radix, where converting
// them would be quadratic, and gives 4/2 the hash of 2 without a greatest common divisor.
var (
	seed  = maphash.MakeSeed()
	k0    = random64()
	k1    = random64()
	prime = randomPrime()
)

const (
	saltSequence = 0x9E3779B97F4A7C15 * (iota + 1) & (1<<63 - 1)
	saltSymbol
	saltSet
	saltMap
	saltTagged
	saltInst
	saltUUID
	saltString
	saltChar
	saltNumber
	saltDecimal
	saltFloat
)

func random64() uint64 {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails
	return binary.LittleEndian.Uint64(b[:])
}

func randomPrime() uint64 {
	n, err := rand.Prime(rand.Reader, 62)
	if err != nil {
		panic("edn: no random prime: " + err.Error()) // the system's random source never fails
	}
	return n.Uint64()
}

// mum mixes two words; their order counts.
func mum(a, b uint64) uint64 {
	hi, lo := bits.Mul64(a^k0, b^k1)
	return hi ^ lo
}

func hashEnd(h, n, salt uint64) uint64 { return mum(h+salt, n) }

// hashSymbol hashes a symbol or keyword, nil, true or false. Namespace and name are hashed apart, because a #:ns{} map says
// the namespace once for all keys.
func hashSymbol(t []byte, kind Kind) uint64 {
	if kind == Keyword {
		t = t[1:]
	}
	if cut := bytes.IndexByte(t, '/'); cut >= 0 && len(t) > 1 {
		return hashQualified(maphash.Bytes(seed, t[:cut]), t[cut+1:], kind)
	}
	return mum(maphash.Bytes(seed, t), saltSymbol+uint64(kind))
}

// hashInNamespace hashes a key of a #:ns{} map; h is its hash outside of one.
func hashInNamespace(ns uint64, t []byte, kind Kind, h uint64) uint64 {
	if kind == Keyword {
		t = t[1:]
	}
	switch {
	case !Namespaced(t):
		return hashQualified(ns, t, kind)
	case bytes.HasPrefix(t, []byte("_/")):
		return mum(maphash.Bytes(seed, t[2:]), saltSymbol+uint64(kind))
	}
	return h
}

func hashQualified(ns uint64, name []byte, kind Kind) uint64 {
	return mum(ns+uint64(kind), maphash.Bytes(seed, name))
}

func hashString(t []byte) uint64 { return mum(maphash.Bytes(seed, t), saltString) }

// hashFloat gives zeros one hash, as Clojure does, and NaN too: its reader makes one object of it, which is a duplicate of
// itself.
func hashFloat(v float64) uint64 {
	if v == 0 {
		v = 0
	}
	if math.IsNaN(v) {
		v = math.NaN() // of its many bit patterns one
	}
	return mum(math.Float64bits(v), saltFloat)
}

var hashNaN = hashFloat(math.NaN())

func mulMod(a, b uint64) uint64 {
	hi, lo := bits.Mul64(a, b)
	return bits.Rem64(hi, lo, prime)
}

// residue returns the number with these digits modulo prime.
func residue(digits []byte, radix uint64) uint64 {
	var v uint64
	for len(digits) > 0 {
		chunk, scale := uint64(0), uint64(1)
		for len(digits) > 0 && scale < 1<<56 {
			chunk = chunk*radix + uint64(digit(digits[0]))
			scale *= radix
			digits = digits[1:]
		}
		if v = mulMod(v, scale) + chunk%prime; v >= prime {
			v -= prime
		}
	}
	return v
}

// inverse returns 1/v modulo prime.
func inverse(v uint64) uint64 {
	r := uint64(1)
	for e := prime - 2; e > 0; e >>= 1 {
		if e&1 != 0 {
			r = mulMod(r, v)
		}
		v = mulMod(v, v)
	}
	return r
}

func hashInteger(v uint64, neg bool) uint64 {
	if neg && v != 0 {
		v = prime - v
	}
	return mum(v, saltNumber)
}

// key is a key of a map, or an element of a set, that is being read.
type key struct {
	hash       uint64
	start, end uint32
}

// fewKeys is how many keys are compared with each other rather than sorted.
const fewKeys = 12

// distinct takes the keys from base off the stack and tells whether no two are equal.
func (s *Scanner) distinct(base int, ns []byte) bool {
	keys := s.keys[base:]
	s.keys = s.keys[:base]
	if len(keys) > fewKeys {
		sortKeys(keys, 56)
		for i := range keys {
			for j := i + 1; j < len(keys) && keys[i].hash == keys[j].hash; j++ {
				if s.same(keys[i], keys[j], ns) {
					s.fail(int(max(keys[i].start, keys[j].start)), ReasonDuplicate)
					return false
				}
			}
		}
		return true
	}
	for i := range keys {
		for j := range i {
			if keys[i].hash == keys[j].hash && s.same(keys[i], keys[j], ns) {
				s.fail(int(keys[i].start), ReasonDuplicate)
				return false
			}
		}
	}
	return true
}

// same confirms that two keys with the same hash are equal.
func (s *Scanner) same(a, b key, ns []byte) bool {
	if bytes.Equal(s.p[a.start:a.end], s.p[b.start:b.end]) {
		return true
	}
	ca := canon{p: s.p, limit: maxCanonical, lenient: true}
	cb := ca
	ca.key(int(a.start), ns)
	cb.key(int(b.start), ns)
	if ca.reason != 0 || cb.reason != 0 { // too long to write out: the hash must do
		return true
	}
	return bytes.Equal(ca.dst, cb.dst)
}

// sortKeys sorts by hash, in place, by one byte of it after another (American flag sort): hashes are evenly spread, so two
// rounds do for any message, and 100,000 keys take about two milliseconds.
func sortKeys(keys []key, shift uint) {
	if len(keys) <= 64 {
		slices.SortFunc(keys, func(a, b key) int { return cmp.Compare(a.hash, b.hash) })
		return
	}
	var count, next [256]int
	for i := range keys {
		count[byte(keys[i].hash>>shift)]++
	}
	sum := 0
	for b, n := range count {
		next[b] = sum
		sum += n
		count[b] = sum // now the end of the bucket
	}
	for b := range count {
		for next[b] < count[b] {
			d := byte(keys[next[b]].hash >> shift)
			if int(d) == b {
				next[b]++
				continue
			}
			keys[next[b]], keys[next[d]] = keys[next[d]], keys[next[b]]
			next[d]++
		}
	}
	if shift == 0 {
		return
	}
	start := 0
	for _, end := range count {
		if end-start > 1 {
			sortKeys(keys[start:end], shift-8)
		}
		start = end
	}
}
