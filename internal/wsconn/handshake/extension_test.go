package handshake_test

import (
	"strings"
	"testing"

	"github.com/hoshi-ws/hoshi/internal/wsconn/handshake"
)

const (
	plainAnswer = "permessage-deflate; server_no_context_takeover; client_no_context_takeover"
	windowed    = plainAnswer + "; server_max_window_bits="
)

// offers are values of Sec-WebSocket-Extensions, several lines apart by newlines, and what they are answered with.
var offers = []struct{ offer, answer string }{
	{"permessage-deflate", plainAnswer},
	{"PerMessage-Deflate", plainAnswer},
	{"permessage-deflate; client_max_window_bits", plainAnswer}, // as Chromium offers it
	{"permessage-deflate; client_max_window_bits=8", plainAnswer},
	{"permessage-deflate; client_max_window_bits=15", plainAnswer},
	{"permessage-deflate; client_max_window_bits=\"10\"", plainAnswer},
	{"permessage-deflate; client_max_window_bits=\"1\\0\"", plainAnswer},
	{"permessage-deflate; server_no_context_takeover", plainAnswer},
	{"permessage-deflate; client_no_context_takeover", plainAnswer},
	{"permessage-deflate;server_no_context_takeover;client_no_context_takeover", plainAnswer},
	{"permessage-deflate ;\tserver_no_context_takeover ; client_max_window_bits = 9", plainAnswer},
	{"permessage-deflate; server_max_window_bits=8", windowed + "8"},
	{"permessage-deflate; server_max_window_bits=9", windowed + "9"},
	{"permessage-deflate; server_max_window_bits=\"15\"", windowed + "15"},
	{"permessage-deflate; Server_Max_Window_Bits=12; client_max_window_bits", windowed + "12"},
	{"permessage-deflate; server_max_window_bits=7, permessage-deflate", plainAnswer},
	{"permessage-deflate; server_max_window_bits=10, permessage-deflate", windowed + "10"},
	{"x-webkit-deflate-frame, permessage-deflate", plainAnswer},
	{"foo; bar=\"a\", permessage-deflate; client_max_window_bits", plainAnswer},
	{"permessage-bzip2\npermessage-deflate", plainAnswer},
	{", ,permessage-deflate,", plainAnswer},
	{"permessage-deflate; server_max_window_bits=16\n\npermessage-deflate; server_max_window_bits=11", windowed + "11"},

	// Declined, and the rest of the request goes on.
	{"", ""},
	{",", ""},
	{"foo", ""},
	{"deflate", ""},
	{"permessage-deflate2", ""},
	{"permessage-deflate; server_max_window_bits", ""},
	{"permessage-deflate; server_max_window_bits=7", ""},
	{"permessage-deflate; server_max_window_bits=16", ""},
	{"permessage-deflate; server_max_window_bits=08", ""},
	{"permessage-deflate; server_max_window_bits=+9", ""},
	{"permessage-deflate; server_max_window_bits=9x", ""},
	{"permessage-deflate; server_max_window_bits=99999999999999999999", ""},
	{"permessage-deflate; client_max_window_bits=0", ""},
	{"permessage-deflate; client_max_window_bits=16", ""},
	{"permessage-deflate; server_no_context_takeover=1", ""},
	{"permessage-deflate; client_no_context_takeover=\"true\"", ""},
	{"permessage-deflate; client_no_context_takeover; client_no_context_takeover", ""},
	{"permessage-deflate; server_max_window_bits=10; server_max_window_bits=10", ""},
	{"permessage-deflate; client_max_window_bits; Client_Max_Window_Bits", ""},
	{"permessage-deflate; unknown", ""},
	{"permessage-deflate; unknown=3", ""},
	{"permessage-deflate; server_max_window_bits=10; unknown", ""},

	// No list of extensions: nothing of it is taken.
	{"permessage-deflate;", ""},
	{"permessage-deflate;;", ""},
	{"permessage-deflate; ;client_max_window_bits", ""},
	{"permessage-deflate; client_max_window_bits=", ""},
	{"permessage-deflate; client_max_window_bits=\"\"", ""},
	{"permessage-deflate; client_max_window_bits=\"1 0\"", ""},
	{"permessage-deflate; client_max_window_bits=\"10", ""},
	{"permessage-deflate; client_max_window_bits=\"10\\", ""},
	{"permessage-deflate; client_max_window_bits=\"10\"x", ""},
	{"permessage-deflate; =10", ""},
	{"permessage-deflate client_max_window_bits", ""},
	{"permessage-deflate=10", ""},
	{"=permessage-deflate", ""},
	{";permessage-deflate", ""},
	{"(permessage-deflate)", ""},
	{"permessage-deflate, b\"ad", ""},
	{"permessage-deflate\n;", ""},
}

func withOffers(lines string) []byte {
	var head strings.Builder
	head.WriteString(strings.TrimSuffix(good, "\r\n"))
	for line := range strings.SplitSeq(lines, "\n") {
		head.WriteString("Sec-WebSocket-Extensions: " + line + "\r\n")
	}
	head.WriteString("\r\n")
	return []byte(head.String())
}

func TestDeflateOffers(t *testing.T) {
	for _, tt := range offers {
		r, err := handshake.Parse(withOffers(tt.offer), handshake.Limits{}.WithDefaults())
		if err != nil || !r.Upgrade {
			t.Errorf("%q: the upgrade is refused: %v", tt.offer, err)
			continue
		}
		answer := ""
		d, ok := r.Deflate()
		if ok {
			answer = d.Answer()
		}
		if answer != tt.answer {
			t.Errorf("%q is answered with %q, want %q", tt.offer, answer, tt.answer)
		}
		if ok && (d.Window < 8 || d.Window > 15) {
			t.Errorf("%q: window %d", tt.offer, d.Window)
		}
		response := string(r.AppendSwitch(nil, "", answer))
		if has := strings.Contains(response, "\r\nSec-WebSocket-Extensions: "+tt.answer+"\r\n"); has != ok {
			t.Errorf("%q: response %q", tt.offer, response)
		}
	}
}

// FuzzDeflate: what is answered was offered, whatever the offers are.
func FuzzDeflate(f *testing.F) {
	for _, tt := range offers {
		f.Add(tt.offer)
	}
	f.Fuzz(func(t *testing.T, lines string) {
		r, err := handshake.Parse(withOffers(lines), handshake.Limits{MaxHead: 1 << 20, MaxHeaders: 1000})
		if err != nil || !r.Upgrade {
			return
		}
		d, ok := r.Deflate()
		if !ok {
			return
		}
		answer, lower := d.Answer(), strings.ToLower(lines)
		if !strings.Contains(lower, "permessage-deflate") {
			t.Fatalf("%q was not offered by %q", answer, lines)
		}
		if strings.Contains(answer, "client_max_window_bits") {
			t.Fatalf("answer %q", answer)
		}
		if strings.Contains(answer, "server_max_window_bits") && !strings.Contains(lower, "server_max_window_bits") {
			t.Fatalf("answer %q to %q", answer, lines)
		}
		if d.Window < 8 || d.Window > 15 {
			t.Fatalf("window %d", d.Window)
		}
	})
}
