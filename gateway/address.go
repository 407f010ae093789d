package gateway

import (
	"context"
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

type addressKey struct{}

// address returns the client's IP address, for the audit log.
func address(ctx context.Context) string {
	a := addressOf(ctx)
	if a == (netip.Addr{}) {
		return ""
	}
	return a.String()
}

// addressOf returns the client's IP address; the zero value when it has none.
func addressOf(ctx context.Context) netip.Addr {
	a, _ := ctx.Value(addressKey{}).(netip.Addr)
	return a
}

// origin is who a request comes from as far as an address tells: an IPv4 address,
// or an IPv6 network of the size that one customer of a provider gets (RFC 6177).
func origin(ctx context.Context) netip.Prefix {
	a, ok := ctx.Value(addressKey{}).(netip.Addr)
	if !ok {
		return netip.Prefix{}
	}
	return originOf(a)
}

func originOf(a netip.Addr) netip.Prefix {
	bits := 64
	if a.Is4() {
		bits = 32
	}
	p, err := a.Prefix(bits)
	if err != nil { // no address at all
		return netip.Prefix{}
	}
	return p
}

// locate notes the client's address for what follows.
func (s *server) locate(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a := clientAddress(r.RemoteAddr, r.Header.Values("X-Forwarded-For"), s.TrustedProxies)
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), addressKey{}, a)))
	})
}

// clientAddress is the last address on the way here that is not a trusted proxy's.
// Each proxy appends the one that it was called from to X-Forwarded-For; what stands
// before the first trusted entry is whatever the client liked to write.
func clientAddress(remote string, forwarded []string, trusted []netip.Prefix) netip.Addr {
	ap, err := netip.ParseAddrPort(remote)
	if err != nil {
		return netip.Addr{}
	}
	client := ap.Addr().Unmap().WithZone("")
	hops := strings.Split(strings.Join(forwarded, ","), ",")
	for _, hop := range slices.Backward(hops) {
		if !slices.ContainsFunc(trusted, func(p netip.Prefix) bool { return p.Contains(client) }) {
			break
		}
		a, err := netip.ParseAddr(strings.TrimSpace(hop))
		if err != nil {
			break
		}
		client = a.Unmap().WithZone("")
	}
	return client
}
