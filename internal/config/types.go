package config

import (
	"errors"
	"math"
	"net"
	"net/netip"
	"strconv"
	"strings"
)

// Addr is a TCP address, "host:port". An empty host means every interface,
// port 0 lets the system choose one. The empty Addr means no listener.
type Addr string

// Loopback reports whether nobody outside this machine can reach the address.
func (a Addr) Loopback() bool {
	host, _, err := net.SplitHostPort(string(a))
	return err == nil && loopbackHost(host)
}

func loopbackHost(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsLoopback()
}

// Host returns the part before the port, without the brackets of an IPv6
// address.
func (a Addr) Host() string {
	host, _, _ := net.SplitHostPort(string(a))
	return host
}

// Port returns the port, 0 where the system chooses or the Addr is empty.
func (a Addr) Port() int {
	_, port, _ := net.SplitHostPort(string(a))
	n, _ := strconv.Atoi(port)
	return n
}

// overlaps reports whether listening on a leaves nothing of b. Names of hosts are
// not looked up.
func (a Addr) overlaps(b Addr) bool {
	if a == "" || b == "" || a.Port() == 0 || a.Port() != b.Port() {
		return false
	}
	ha, hb := a.Host(), b.Host()
	return ha == hb || covers(ha, hb) || covers(hb, ha)
}

// covers reports whether host means every interface, that of other included.
func covers(host, other string) bool {
	if host == "" || host == "::" {
		return true
	}
	ip, err := netip.ParseAddr(other)
	return host == "0.0.0.0" && (err != nil || ip.Is4())
}

var errAddr = errors.New("want host:port, like 127.0.0.1:8080")

func parseAddr(s string) (Addr, error) {
	if s == "" {
		return "", nil
	}
	host, port, err := net.SplitHostPort(s)
	if err != nil || strings.ContainsAny(host, " \t\r\n/@") {
		return "", errAddr
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || strconv.FormatUint(n, 10) != port {
		return "", errors.New("want a port between 0 and 65535")
	}
	return Addr(s), nil
}

// Size is a number of bytes.
type Size int64

var errSize = errors.New("want a size, like 512KiB or 2MiB")

var units = []struct {
	suffix string
	bytes  int64
}{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}, {"B", 1}}

// String writes the size in the largest unit that divides it.
func (s Size) String() string {
	for _, u := range units {
		if s != 0 && int64(s)%u.bytes == 0 && u.bytes > 1 {
			return strconv.FormatInt(int64(s)/u.bytes, 10) + u.suffix
		}
	}
	return strconv.FormatInt(int64(s), 10)
}

func parseSize(s string) (Size, error) {
	factor, digits := int64(1), s
	for _, u := range units {
		if rest, ok := strings.CutSuffix(s, u.suffix); ok {
			factor, digits = u.bytes, strings.TrimRight(rest, " ")
			break
		}
	}
	n, err := strconv.ParseUint(digits, 10, 63)
	if err != nil || int64(n) > math.MaxInt64/factor {
		return 0, errSize
	}
	return Size(int64(n) * factor), nil
}
