package check

// ParseUUID reads the usual text of 36 characters, in either case.
func ParseUUID(b []byte) (u [16]byte, ok bool) {
	if len(b) != 36 {
		return u, false
	}
	k := 0
	for i := 0; i < len(b); i += 2 {
		if i == 8 || i == 13 || i == 18 || i == 23 {
			if b[i] != '-' {
				return u, false
			}
			i++
		}
		hi, lo := hex(b[i]), hex(b[i+1])
		if hi > 15 || lo > 15 {
			return u, false
		}
		u[k] = hi<<4 | lo
		k++
	}
	return u, true
}

func hex(c byte) byte {
	switch {
	case c-'0' < 10:
		return c - '0'
	case c|0x20-'a' < 6:
		return c | 0x20 - 'a' + 10
	}
	return 255
}

// AppendUUID appends the text that ParseUUID reads, in lower case.
func AppendUUID(dst []byte, u [16]byte) []byte {
	const digits = "0123456789abcdef"
	for i, c := range u {
		if i == 4 || i == 6 || i == 8 || i == 10 {
			dst = append(dst, '-')
		}
		dst = append(dst, digits[c>>4], digits[c&15])
	}
	return dst
}
