//go:build !unix

package host

// Descriptors makes sure that n sockets can be open at once; there is no limit to
// ask for here.
func Descriptors(int) error { return nil }

// setReceiveBuffer leaves the buffer as the system makes it.
func setReceiveBuffer(uintptr, int) error { return nil }
