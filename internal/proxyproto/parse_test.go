package proxyproto_test

import (
	"encoding/binary"
	"net/netip"
	"strings"
	"testing"

	"github.com/hoshi-ws/hoshi/internal/proxyproto"
)

const signature = "\r\n\r\n\x00\r\nQUIT\n"

// v2 makes a header of version 2 with that length announced; -1 is the true one.
func v2(command, family byte, length int, body string) string {
	if length < 0 {
		length = len(body)
	}
	return string(binary.BigEndian.AppendUint16([]byte(signature+string([]byte{command, family})), uint16(length))) + body
}

const (
	body4 = "\xc0\x00\x02\x07\x0a\x00\x00\x01\x30\x39\x01\xbb" // 192.0.2.7:12345 to 10.0.0.1:443
	body6 = "\x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x07" +
		"\x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01\x30\x39\x01\xbb"
	mapped = "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\xff\xff\xc0\x00\x02\x07" +
		"\x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01\x30\x39\x01\xbb"
)

var headers = []struct {
	name, in string
	source   string // "" is none
	reason   proxyproto.Reason
	short    bool // more is awaited
}{
	{name: "v1 tcp4", in: "PROXY TCP4 192.0.2.7 10.0.0.1 12345 443\r\n", source: "192.0.2.7:12345"},
	{name: "v1 tcp6", in: "PROXY TCP6 2001:db8::7 2001:db8::1 12345 443\r\n", source: "[2001:db8::7]:12345"},
	{name: "v1 tcp6 in full", in: "PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n", source: "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535"},
	{name: "v1 tcp6 any", in: "PROXY TCP6 :: ::1 0 443\r\n", source: "[::]:0"},
	{name: "v1 tcp6 ends in a gap", in: "PROXY TCP6 2001:db8:: ::1 1 443\r\n", source: "[2001:db8::]:1"},
	{name: "v1 mapped", in: "PROXY TCP6 ::ffff:192.0.2.7 ::1 12345 443\r\n", source: "192.0.2.7:12345"},
	{name: "v1 unknown", in: "PROXY UNKNOWN\r\n"},
	{name: "v1 unknown with junk", in: "PROXY UNKNOWN ffff:: what ever \x00\r\n"},
	{name: "v1 longest", in: "PROXY UNKNOWN " + strings.Repeat("a", 91) + "\r\n"},
	{name: "v1 too long", in: "PROXY UNKNOWN " + strings.Repeat("a", 92) + "\r\n", reason: proxyproto.TooLong},
	{name: "v1 without an end", in: "PROXY TCP4 " + strings.Repeat("1", 200), reason: proxyproto.TooLong},
	{name: "v1 family", in: "PROXY UDP4 192.0.2.7 10.0.0.1 12345 443\r\n", reason: proxyproto.Malformed},
	{name: "v1 lower case", in: "PROXY tcp4 192.0.2.7 10.0.0.1 12345 443\r\n", reason: proxyproto.Malformed},
	{name: "v1 other family", in: "PROXY TCP4 2001:db8::7 2001:db8::1 12345 443\r\n", reason: proxyproto.Malformed},
	{name: "v1 other family too", in: "PROXY TCP6 192.0.2.7 10.0.0.1 12345 443\r\n", reason: proxyproto.Malformed},
	{name: "v1 no ports", in: "PROXY TCP4 192.0.2.7 10.0.0.1\r\n", reason: proxyproto.Malformed},
	{name: "v1 a port too many", in: "PROXY TCP4 192.0.2.7 10.0.0.1 12345 443 1\r\n", reason: proxyproto.Malformed},
	{name: "v1 port", in: "PROXY TCP4 192.0.2.7 10.0.0.1 65536 443\r\n", reason: proxyproto.Malformed},
	{name: "v1 leading zero", in: "PROXY TCP4 192.0.2.07 10.0.0.1 12345 443\r\n", reason: proxyproto.Malformed},
	{name: "v1 zone", in: "PROXY TCP6 fe80::1%eth0 ::1 12345 443\r\n", reason: proxyproto.Malformed},
	{name: "v1 two gaps", in: "PROXY TCP6 1::2::3 ::1 12345 443\r\n", reason: proxyproto.Malformed},
	{name: "v1 gap of nothing", in: "PROXY TCP6 1:2:3:4::5:6:7:8 ::1 12345 443\r\n", reason: proxyproto.Malformed},
	{name: "v1 short address", in: "PROXY TCP6 1:2:3 ::1 12345 443\r\n", reason: proxyproto.Malformed},
	{name: "v1 long address", in: "PROXY TCP6 1:2:3:4:5:6:7:8:9 ::1 12345 443\r\n", reason: proxyproto.Malformed},
	{name: "v1 two spaces", in: "PROXY TCP4  192.0.2.7 10.0.0.1 12345 443\r\n", reason: proxyproto.Malformed},
	{name: "v1 bare line feed", in: "PROXY TCP4 192.0.2.7 10.0.0.1 12345 443\n", short: true},
	{name: "v2 stream4", in: v2(0x21, 0x11, -1, body4), source: "192.0.2.7:12345"},
	{name: "v2 stream6", in: v2(0x21, 0x21, -1, body6), source: "[2001:db8::7]:12345"},
	{name: "v2 mapped", in: v2(0x21, 0x21, -1, mapped), source: "192.0.2.7:12345"},
	{name: "v2 with extensions", in: v2(0x21, 0x11, -1, body4+"\x03\x00\x04abcd\x04\x00\x01x"), source: "192.0.2.7:12345"},
	{name: "v2 with broken extensions", in: v2(0x21, 0x11, -1, body4+"\x03\xff\xff"), source: "192.0.2.7:12345"},
	{name: "v2 longest", in: v2(0x21, 0x11, -1, body4+strings.Repeat("\x04", 4096-12)), source: "192.0.2.7:12345"},
	{name: "v2 too long", in: v2(0x21, 0x11, 4097, ""), reason: proxyproto.TooLong},
	{name: "v2 local", in: v2(0x20, 0x00, -1, "")},
	{name: "v2 local with addresses", in: v2(0x20, 0x11, -1, body4)},
	{name: "v2 unspec", in: v2(0x21, 0x00, -1, "what ever")},
	{name: "v2 datagram", in: v2(0x21, 0x12, -1, body4), reason: proxyproto.Malformed},
	{name: "v2 unix", in: v2(0x21, 0x31, 216, strings.Repeat("a", 216)), reason: proxyproto.Malformed},
	{name: "v2 version", in: v2(0x11, 0x11, -1, body4), reason: proxyproto.Malformed},
	{name: "v2 command", in: v2(0x22, 0x11, -1, body4), reason: proxyproto.Malformed},
	{name: "v2 short for its family", in: v2(0x21, 0x21, -1, body4), reason: proxyproto.Malformed},
	{name: "wrong signature", in: "\r\n\r\n\x00\r\nQUIT\r", reason: proxyproto.Missing},
	{name: "a request", in: "GET / HTTP/1.1\r\n", reason: proxyproto.Missing},
	{name: "a greeting of TLS", in: "\x16\x03\x01\x02\x00", reason: proxyproto.Missing},
	{name: "a word like it", in: "PROXYING", reason: proxyproto.Missing},
	{name: "nothing", in: "", short: true},
}

func TestParse(t *testing.T) {
	for _, tt := range headers {
		t.Run(tt.name, func(t *testing.T) {
			const behind = "GET / HTTP/1.1\r\n\r\n"
			in := tt.in
			if !tt.short {
				in += behind
			}
			h, n, err := proxyproto.Parse([]byte(in))
			if got := reasonOf(err); got != tt.reason {
				t.Fatalf("refused as %v, want %v", got, tt.reason)
			}
			want := len(tt.in)
			if tt.short || tt.reason != 0 {
				want = 0
			}
			source := ""
			if h.Source.IsValid() {
				source = h.Source.String()
			}
			if n != want || source != tt.source {
				t.Errorf("%q, %d bytes; want %q, %d", source, n, tt.source, want)
			}
			// What comes in pieces is judged as what comes at once, and not later than with its last byte.
			for i := range len(tt.in) + 1 {
				_, m, err := proxyproto.Parse([]byte(tt.in[:i]))
				switch {
				case err != nil && (tt.reason == 0 || err.Reason != tt.reason):
					t.Fatalf("%d bytes are refused as %v", i, err.Reason)
				case m != 0 && (i < len(tt.in) || tt.short || tt.reason != 0):
					t.Fatalf("%d bytes are a header of %d", i, m)
				}
			}
		})
	}
}

func reasonOf(err *proxyproto.Error) proxyproto.Reason {
	if err == nil {
		return 0
	}
	return err.Reason
}

func TestParseAllocatesNothing(t *testing.T) {
	for _, tt := range headers {
		in := []byte(tt.in)
		if n := testing.AllocsPerRun(100, func() { _, _, _ = proxyproto.Parse(in) }); n != 0 {
			t.Errorf("%s: %v allocations", tt.name, n)
		}
	}
}

// FuzzParse holds that addresses of version 1 are those that netip reads, that nothing is awaited beyond the bounds, and
// that pieces are judged like the whole.
func FuzzParse(f *testing.F) {
	for _, tt := range headers {
		f.Add([]byte(tt.in), uint16(7))
	}
	f.Fuzz(func(t *testing.T, p []byte, cut uint16) {
		h, n, err := proxyproto.Parse(p)
		if n == 0 && err == nil && len(p) >= 16+proxyproto.MaxV2 {
			t.Fatalf("more is awaited behind %d bytes", len(p))
		}
		if n > len(p) || err != nil && n != 0 {
			t.Fatalf("%d of %d bytes, %v", n, len(p), err)
		}
		early, m, earlyErr := proxyproto.Parse(p[:int(cut)%(len(p)+1)])
		if earlyErr != nil && reasonOf(earlyErr) != reasonOf(err) || m != 0 && (m != n || early != h) {
			t.Fatalf("cut: %v %d %v, whole: %v %d %v", early, m, earlyErr, h, n, err)
		}
		fields := strings.Split(strings.TrimSuffix(string(p[:n]), "\r\n"), " ")
		if len(fields) != 6 || fields[0] != "PROXY" || !strings.HasPrefix(fields[1], "TCP") {
			return
		}
		want, perr := netip.ParseAddr(fields[2])
		if perr != nil || want.Unmap() != h.Source.Addr() {
			t.Fatalf("%v, netip %v %v for %q", h.Source, want, perr, fields[2])
		}
	})
}

func BenchmarkParse(b *testing.B) {
	for _, in := range []string{"PROXY TCP6 2001:db8::7 2001:db8::1 12345 443\r\n", v2(0x21, 0x21, -1, body6)} {
		b.Run(map[byte]string{'P': "v1", '\r': "v2"}[in[0]], func(b *testing.B) {
			p := []byte(in)
			b.ReportAllocs()
			for b.Loop() {
				if _, n, _ := proxyproto.Parse(p); n != len(p) {
					b.Fatal("not read")
				}
			}
		})
	}
}
