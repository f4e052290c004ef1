package proxyproto_test

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/hoshi-ws/hoshi/internal/proxyproto"
)

const patience = 20 * time.Second

// accepted connects, sends text in pieces of one byte, and returns both ends.
func accepted(t *testing.T, required bool, text string) (near, far net.Conn) {
	t.Helper()
	plain, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ln := proxyproto.Listen(plain, func(peer netip.Addr) bool {
		if peer != netip.MustParseAddr("127.0.0.1") {
			t.Errorf("peer %v", peer)
		}
		return required
	})
	defer ln.Close()
	if far, err = net.Dial("tcp", ln.Addr().String()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { far.Close() })
	if near, err = ln.Accept(); err != nil { // nothing has been sent yet
		t.Fatal(err)
	}
	t.Cleanup(func() { near.Close() })
	_ = near.SetDeadline(time.Now().Add(patience))
	for i := range len(text) {
		if _, err := far.Write([]byte(text[i : i+1])); err != nil {
			t.Fatal(err)
		}
	}
	_ = far.(*net.TCPConn).CloseWrite()
	return near, far
}

func TestListener(t *testing.T) {
	long := v2(0x21, 0x11, -1, body4+strings.Repeat("\x04", 3000))
	for _, tt := range []struct {
		name, in, want, source string
		none                   bool // nothing is looked for
		reason                 proxyproto.Reason
		err                    error
	}{
		{name: "v1", in: "PROXY TCP4 192.0.2.7 10.0.0.1 12345 443\r\nhello", want: "hello", source: "192.0.2.7:12345"},
		{name: "v2", in: v2(0x21, 0x21, -1, body6) + "hello", want: "hello", source: "[2001:db8::7]:12345"},
		{name: "long", in: long + "hello", want: "hello", source: "192.0.2.7:12345"},
		{name: "local", in: v2(0x20, 0, -1, "") + "hello", want: "hello"},
		{name: "not looked for", none: true, in: "PROXY UNKNOWN\r\nhello", want: "PROXY UNKNOWN\r\nhello"},
		{name: "missing", in: "hello", reason: proxyproto.Missing},
		{name: "cut", in: "PROXY TC", err: io.EOF},
	} {
		t.Run(tt.name, func(t *testing.T) {
			near, far := accepted(t, !tt.none, tt.in)
			got, err := io.ReadAll(near)
			if bad, ok := errors.AsType[*proxyproto.Error](err); ok != (tt.reason != 0) || ok && bad.Reason != tt.reason {
				t.Fatalf("read: %v, want reason %v", err, tt.reason)
			}
			if err == nil && string(got) != tt.want {
				t.Errorf("read %q, want %q", got, tt.want)
			}
			if tt.err != nil { // io.ReadAll takes it for an end
				if n, err := near.Read(make([]byte, 1)); n != 0 || !errors.Is(err, tt.err) {
					t.Errorf("read: %d, %v, want %v", n, err, tt.err)
				}
			}
			source := tt.source
			if source == "" {
				source = far.LocalAddr().String()
			}
			if near.RemoteAddr().String() != source {
				t.Errorf("remote address %v, want %v", near.RemoteAddr(), source)
			}
		})
	}
}
