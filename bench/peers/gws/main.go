package main

import (
	"flag"
	"fmt"
	"io"
	"net"
	"os"

	"github.com/lxzan/gws"
)

func main() {
	listen := flag.String("listen", "127.0.0.1:0", "address")
	flag.Parse()
	l, err := net.Listen("tcp", *listen)
	if err != nil {
		fmt.Fprintln(os.Stderr, "gws:", err)
		os.Exit(1)
	}
	fmt.Println("listening", l.Addr())
	ended := make(chan error, 1)
	// Ends with the process, since the listener stays open until then.
	go func() { ended <- serve(l) }()
	// Ends with standard input or, at the latest, with the process.
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		ended <- nil
	}()
	if err := <-ended; err != nil {
		fmt.Fprintln(os.Stderr, "gws:", err)
		os.Exit(1)
	}
}

// serve answers the clients of l until that is closed.
func serve(l net.Listener) error {
	// Nothing is compressed and nothing asked for: the library's defaults.
	s := gws.NewServer(newServer(), &gws.ServerOption{})
	return s.RunListener(l)
}
