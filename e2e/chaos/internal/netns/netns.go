package netns

import (
	"errors"
	"fmt"
	"net"
	"os/exec"
	"strings"
)

// Prefix begins the name of every namespace and link that this package makes.
const Prefix = "hoshi-chaos-"

// linkPrefix begins those of links, which the kernel allows 15 bytes.
const linkPrefix = "hch"

// Namespace is one namespace; inside it the link is called eth0.
type Namespace struct {
	// Fixed after New.
	Name    string
	Outside string // address of our end of the link
	Inside  string // address of the end inside
	link    string
}

// New makes namespace number k of a run. tag is some hex digits that tell runs
// apart; they choose the addresses, of 198.18.0.0/15, too (RFC 2544).
func New(tag string, k int) (*Namespace, error) {
	var n int
	if _, err := fmt.Sscanf(tag, "%4x", &n); err != nil {
		return nil, fmt.Errorf("tag %q: %w", tag, err)
	}
	net4 := fmt.Sprintf("198.%d.%d.", 18+n&1, n>>1&0xff)
	ns := &Namespace{
		Name:    fmt.Sprintf("%s%s-%d", Prefix, tag, k),
		Outside: fmt.Sprintf("%s%d", net4, 4*k+1),
		Inside:  fmt.Sprintf("%s%d", net4, 4*k+2),
		link:    fmt.Sprintf("%s%s%d", linkPrefix, tag, k),
	}
	if taken(ns.Outside) {
		return nil, fmt.Errorf("the address %s is in use", ns.Outside)
	}
	if err := ip("netns", "add", ns.Name); err != nil {
		return nil, err
	}
	for _, args := range [][]string{
		{"link", "add", ns.link, "type", "veth", "peer", "name", "eth0", "netns", ns.Name},
		{"addr", "add", ns.Outside + "/30", "dev", ns.link},
		{"link", "set", ns.link, "up"},
		{"-n", ns.Name, "addr", "add", ns.Inside + "/30", "dev", "eth0"},
		{"-n", ns.Name, "link", "set", "lo", "up"},
		{"-n", ns.Name, "link", "set", "eth0", "up"},
	} {
		if err := ip(args...); err != nil {
			return nil, errors.Join(err, ns.Remove())
		}
	}
	return ns, nil
}

func taken(addr string) bool {
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return true
	}
	for _, a := range addrs {
		if n, ok := a.(*net.IPNet); ok && n.Contains(net.ParseIP(addr)) {
			return true
		}
	}
	return false
}

// Cut takes the link down; Mend takes it up again. It is the inner end: with ours
// down the kernel would refuse at once, with it nobody is told anything.
func (ns *Namespace) Cut() error  { return ip("-n", ns.Name, "link", "set", "eth0", "down") }
func (ns *Namespace) Mend() error { return ip("-n", ns.Name, "link", "set", "eth0", "up") }

// Command is argv to run inside. The process has the id of what is started.
func (ns *Namespace) Command(argv ...string) []string {
	return append([]string{"ip", "netns", "exec", ns.Name}, argv...)
}

// Remove takes the link and the namespace away. What runs inside must have ended.
func (ns *Namespace) Remove() error {
	// The link first: where the namespace is in use its links would stay.
	linkErr := ip("link", "del", ns.link)
	if linkErr != nil && strings.Contains(linkErr.Error(), "Cannot find device") {
		linkErr = nil
	}
	return errors.Join(linkErr, ip("netns", "del", ns.Name))
}

// Left lists the namespaces and links of a run that are there; an empty tag means
// those of all runs.
func Left(tag string) ([]string, error) {
	var found []string
	for _, list := range []struct{ what, prefix string }{{"netns", Prefix + tag}, {"link", linkPrefix + tag}} {
		out, err := exec.Command("ip", "-o", list.what).Output()
		if err != nil {
			return nil, fmt.Errorf("ip %s: %w", list.what, err)
		}
		for word := range strings.FieldsSeq(string(out)) {
			if strings.HasPrefix(word, list.prefix) {
				found = append(found, word)
			}
		}
	}
	return found, nil
}

func ip(args ...string) error {
	if out, err := exec.Command("ip", args...).CombinedOutput(); err != nil {
		return fmt.Errorf("ip %s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(string(out)))
	}
	return nil
}
