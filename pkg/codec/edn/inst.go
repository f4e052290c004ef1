package edn

import "encoding/binary"

// Clojure keeps an #inst as a java.util.Date: milliseconds, read by a lenient GregorianCalendar. So finer digits are cut off,
// and days before 15 October 1582 are days of the Julian calendar. The days of a month are checked by the Gregorian rule.

const (
	msPerDay  = 24 * 60 * 60 * 1000
	gregorian = -141427         // 15 October 1582, in days from 1970
	lastInst  = 253402300799999 // the last millisecond of the year 9999, from 1970
)

// fields reads fixed-width numbers off the front of a text.
type fields struct {
	t  []byte
	ok bool
}

func (f *fields) number(width int) int64 {
	v := int64(0)
	if len(f.t) < width {
		f.ok = false
		return 0
	}
	for _, c := range f.t[:width] {
		if !isDigit(c) {
			f.ok = false
			return 0
		}
		v = v*10 + int64(c-'0')
	}
	f.t = f.t[width:]
	return v
}

// optional reads a two-digit field behind sep, if sep is next. A day or month followed by a colon is the hours of an offset.
func (f *fields) optional(sep byte, absent int64) (int64, bool) {
	if !f.ok || len(f.t) == 0 || f.t[0] != sep || sep == '-' && len(f.t) > 3 && f.t[3] == ':' {
		return absent, false
	}
	f.t = f.t[1:]
	return f.number(2), true
}

// parseInst returns the milliseconds from 1970 of the text of an #inst.
func parseInst(t []byte) (ms int64, ok bool) {
	ms, _, ok = parseInstant(t)
	return ms, ok
}

// parseInstant is parseInst with the nanoseconds beyond the millisecond, which Clojure reads too but drops from a Date.
func parseInstant(t []byte) (ms, nanos int64, ok bool) {
	f := fields{t: t, ok: true}
	var hour, minute, second, fraction, offset int64
	day := int64(1)
	year := f.number(4)
	month, more := f.optional('-', 1)
	if more {
		if day, more = f.optional('-', 1); more {
			if hour, more = f.optional('T', 0); more {
				if minute, more = f.optional(':', 0); more {
					if second, more = f.optional(':', 0); more {
						fraction = f.fraction()
					}
				}
			}
		}
	}
	if len(f.t) > 0 {
		switch f.t[0] {
		case 'Z':
			f.t = f.t[1:]
		case '+', '-':
			sign := int64(1)
			if f.t[0] == '-' {
				sign = -1
			}
			f.t = f.t[1:]
			h := f.number(2)
			if len(f.t) == 0 || f.t[0] != ':' {
				return 0, 0, false
			}
			f.t = f.t[1:]
			m := f.number(2)
			f.ok = f.ok && h <= 23 && m <= 59
			offset = sign * (h*60 + m)
		}
	}
	if !f.ok || len(f.t) > 0 || month < 1 || month > 12 || day < 1 || day > daysIn(year, month) || hour > 23 || minute > 59 ||
		second > 60 || second == 60 && minute != 59 {
		return 0, 0, false
	}
	days := gregorianDays(year, month, day)
	if days < gregorian {
		days = julianDays(year, month, day)
	}
	return days*msPerDay + ((hour*60+minute-offset)*60+second)*1000 + fraction/1e6, fraction % 1e6, true
}

// fraction reads a point and at least one digit, and returns nanoseconds; nine digits count.
func (f *fields) fraction() int64 {
	if len(f.t) == 0 || f.t[0] != '.' {
		return 0
	}
	end := digitsEnd(f.t, 1)
	f.ok = f.ok && end > 1
	v := int64(0)
	for i := 1; i <= 9; i++ {
		v *= 10
		if i < end {
			v += int64(f.t[i] - '0')
		}
	}
	f.t = f.t[end:]
	return v
}

func daysIn(year, month int64) int64 {
	switch month {
	case 4, 6, 9, 11:
		return 30
	case 2:
		if year%4 == 0 && (year%100 != 0 || year%400 == 0) {
			return 29
		}
		return 28
	}
	return 31
}

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}

// The year is taken to begin in March, so that the leap day is its last: day of the year = (153*month+2)/5 + day-1.

func marchYear(y, m, d int64) (year, dayOfYear int64) {
	if m <= 2 {
		return y - 1, (153*(m+9)+2)/5 + d - 1
	}
	return y, (153*(m-3)+2)/5 + d - 1
}

func fromMarchYear(year, dayOfYear int64) (y, m, d int64) {
	mp := (5*dayOfYear + 2) / 153
	d = dayOfYear - (153*mp+2)/5 + 1
	if mp < 10 {
		return year, mp + 3, d
	}
	return year + 1, mp - 9, d
}

func gregorianDays(y, m, d int64) int64 {
	y, doy := marchYear(y, m, d)
	era := floorDiv(y, 400)
	yoe := y - era*400
	return era*146097 + yoe*365 + yoe/4 - yoe/100 + doy - 719468
}

func julianDays(y, m, d int64) int64 {
	y, doy := marchYear(y, m, d)
	era := floorDiv(y, 4)
	return era*1461 + (y-era*4)*365 + doy - 719470
}

// date is the inverse of gregorianDays and julianDays.
func date(days int64) (y, m, d int64) {
	if days < gregorian {
		z := days + 719470
		era := floorDiv(z, 1461)
		doe := z - era*1461
		yoe := (doe - doe/1460) / 365
		return fromMarchYear(yoe+era*4, doe-yoe*365)
	}
	z := days + 719468
	era := floorDiv(z, 146097)
	doe := z - era*146097
	yoe := (doe - doe/1460 + doe/36524 - doe/146096) / 365
	return fromMarchYear(yoe+era*400, doe-(365*yoe+yoe/4-yoe/100))
}

// appendInst appends the text of an #inst as Clojure prints it, in UTC: milliseconds as of a Date, or if there are more
// nanoseconds than those, nine digits as of a Timestamp. It returns false if that text could not be read back as the same.
func appendInst(dst []byte, ms, nanos int64) ([]byte, bool) {
	days := floorDiv(ms, msPerDay)
	rest := ms - days*msPerDay
	y, m, d := date(days)
	if y < 0 || y > 9999 {
		return dst, false
	}
	pad := func(v int64, width int) {
		at := len(dst) + width
		for range width {
			dst = append(dst, '0')
		}
		for ; v > 0; v /= 10 {
			at--
			dst[at] = byte('0' + v%10)
		}
	}
	dst = append(dst, `#inst "`...)
	start := len(dst)
	for i, f := range [...]struct {
		v     int64
		width int
	}{{y, 4}, {m, 2}, {d, 2}, {rest / 3600000, 2}, {rest / 60000 % 60, 2}, {rest / 1000 % 60, 2}, {rest % 1000, 3}} {
		if i > 0 {
			dst = append(dst, " --T::."[i])
		}
		pad(f.v, f.width)
	}
	if nanos > 0 {
		pad(nanos, 6)
	}
	dst = append(dst, "-00:00"...)
	if days < gregorian { // the Julian calendar has days that the check of a month's days, by the Gregorian rule, refuses
		again, ok := parseInst(dst[start:])
		return append(dst, '"'), ok && again == ms
	}
	return append(dst, '"'), true
}

// parseUUID reads what java.util.UUID.fromString does: five hexadecimal numbers of any length, of which the low bits count,
// in at most 36 characters.
func parseUUID(t []byte) (hi, lo uint64, ok bool) {
	if len(t) > 36 {
		return 0, 0, false
	}
	var part [5]uint64
	n := 0
	size := 0
	for i, c := range t {
		switch {
		case c == '-':
			if n++; n > 4 || size == 0 {
				return 0, 0, false
			}
			size = 0
			continue
		case c == '+' && size == 0 && (i == 0 || t[i-1] == '-'):
			continue
		}
		d := digit(c)
		if d > 15 || part[n]>>59 != 0 {
			return 0, 0, false
		}
		part[n] = part[n]<<4 | uint64(d)
		size++
	}
	if n != 4 || size == 0 {
		return 0, 0, false
	}
	hi = part[0]<<32 | part[1]&0xFFFF<<16 | part[2]&0xFFFF
	return hi, part[3]<<48 | part[4]&0xFFFFFFFFFFFF, true
}

func appendUUID(dst []byte, hi, lo uint64) []byte {
	var b [16]byte
	binary.BigEndian.PutUint64(b[:8], hi)
	binary.BigEndian.PutUint64(b[8:], lo)
	dst = append(dst, `#uuid "`...)
	for i, c := range b {
		if i == 4 || i == 6 || i == 8 || i == 10 {
			dst = append(dst, '-')
		}
		dst = append(dst, "0123456789abcdef"[c>>4], "0123456789abcdef"[c&15])
	}
	return append(dst, '"')
}
