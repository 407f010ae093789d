package egress

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// DefaultPort is the one port that a cluster may call without being allowed more:
// everything that an API server calls speaks HTTPS.
const DefaultPort = 443

// Target is what a cluster asks to be connected with: a name of the DNS or the text
// of an address, and a port.
type Target struct {
	Host string
	Port uint16
}

// errTarget is why a request names nothing that could be connected with.
var errTarget = errors.New("the target must be a complete name of the DNS or an address, and a port")

// ParseTarget reads HOST:PORT as an API server writes it. A name is put into lower
// case and loses a dot at its end. One without any dot is refused: it would mean
// something only inside the hosting layer's own network.
func ParseTarget(s string) (Target, error) {
	t, err := splitTarget(s)
	if err != nil {
		return Target{}, err
	}
	if _, err := netip.ParseAddr(t.Host); err != nil && !strings.Contains(t.Host, ".") {
		return Target{}, errTarget
	}
	return t, nil
}

func splitTarget(s string) (Target, error) {
	i := strings.LastIndexByte(s, ':')
	if i < 0 {
		return Target{}, errTarget
	}
	host, port := s[:i], s[i+1:]
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil || n == 0 {
		return Target{}, errTarget
	}
	t := Target{Port: uint16(n)}
	if inner, ok := strings.CutPrefix(host, "["); ok {
		inner, ok = strings.CutSuffix(inner, "]")
		a, err := netip.ParseAddr(inner)
		if !ok || err != nil || !a.Is6() {
			return Target{}, errTarget
		}
		t.Host = a.String()
		return t, nil
	}
	if a, err := netip.ParseAddr(host); err == nil {
		if a.Is6() { // it needs brackets
			return Target{}, errTarget
		}
		t.Host = a.String()
		return t, nil
	}
	t.Host = strings.TrimSuffix(strings.ToLower(host), ".")
	if !isName(t.Host) {
		return Target{}, errTarget
	}
	return t, nil
}

// isName reports whether s is a name of the DNS (RFC 1035, 2.3.1; underscores occur
// in practice).
func isName(s string) bool {
	if len(s) > 253 {
		return false
	}
	for label := range strings.SplitSeq(s, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		for _, c := range []byte(label) {
			if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' && c != '_' {
				return false
			}
		}
	}
	return true
}

func (t Target) String() string {
	if strings.Contains(t.Host, ":") {
		return "[" + t.Host + "]:" + strconv.Itoa(int(t.Port))
	}
	return t.Host + ":" + strconv.Itoa(int(t.Port))
}

// Literal returns the address that the target is, if it is not a name.
func (t Target) Literal() (netip.Addr, bool) {
	a, err := netip.ParseAddr(t.Host)
	return a, err == nil
}

// Refusal is why a cluster is not connected with what it named. It is for the
// operator's log; the cluster is not told, lest it learn what the hosting layer's
// names and networks are.
type Refusal struct{ Why string }

func (r *Refusal) Error() string { return r.Why }

func refuse(format string, args ...any) error { return &Refusal{fmt.Sprintf(format, args...)} }

// Own are the addresses of the machine that the proxy runs on. Some may be public
// ones, and what listens on them must not be reached from behind.
type Own []netip.Addr

// Decide says which of the addresses that a target resolved to may be dialled, in
// the same order, or returns a *Refusal. A name that has both public and other
// addresses keeps the public ones: some resolvers add an address of their own to
// every name (DNS64, RFC 6147).
func Decide(t Target, resolved []netip.Addr, allowed Allowed, own Own) ([]netip.AddrPort, error) {
	everywhere := allowed.target(t)
	var may []netip.AddrPort
	var first error
	for _, a := range resolved {
		err := judge(t, a, everywhere, allowed, own)
		if err == nil {
			may = append(may, netip.AddrPortFrom(a.Unmap(), t.Port))
		} else if first == nil {
			first = err
		}
	}
	switch {
	case len(may) > 0:
		return may, nil
	case first != nil:
		return nil, first
	}
	return nil, refuse("the name has no address")
}

func judge(t Target, a netip.Addr, everywhere bool, allowed Allowed, own Own) error {
	if !a.IsValid() || a.Zone() != "" {
		return refuse("an address with a zone is only of this machine")
	}
	a = a.Unmap()
	inside, anyPort := allowed.address(a, t.Port)
	if everywhere || inside && anyPort {
		return nil
	}
	if t.Port != DefaultPort && !allowed.port(t.Port) {
		return refuse("port %d is not allowed", t.Port)
	}
	if inside {
		return nil
	}
	if slices.Contains(own, a) {
		return refuse("%s is an address of this machine", a)
	}
	if why := notPublic(a); why != "" {
		return refuse("%s is not on the public Internet: %s", a, why)
	}
	return nil
}
