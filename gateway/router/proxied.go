package router

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"

	"github.com/pires/go-proxyproto"
)

// ends are the two ends of a client's connection, as its server is told of them.
type ends struct{ client, here net.Addr }

func endsOf(c net.Conn) ends { return ends{c.RemoteAddr(), c.LocalAddr()} }

// trusts reports whether who connects is a proxy that speaks for others.
func (r *Router) trusts(c net.Conn, side Side) bool {
	if side != Public {
		return false
	}
	ip := ipOf(c.RemoteAddr())
	return slices.ContainsFunc(r.config.TrustedProxies, func(p netip.Prefix) bool { return p.Contains(ip) })
}

// The PROXY protocol: https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt.
const (
	proxyV1      = "PROXY "
	maxProxyV1   = 107 // bytes, with the end of the line
	proxyV2      = "\r\n\r\n\x00\r\nQUIT\n"
	proxyV2Start = len(proxyV2) + 4 // the last two bytes are the length of what follows
	maxProxyV2   = 4 << 10          // bytes of it; addresses take 216 at most, the rest is for extensions
)

// readProxied reads a PROXY header of either version, and not one byte more: what
// follows has to be spliced. The caller sets the deadline of c. A proxy that speaks
// for nobody, as when it looks whether this router is well, speaks for itself.
func readProxied(c net.Conn) (ends, error) {
	raw, err := frameProxied(c)
	if err != nil {
		return ends{}, err
	}
	h, err := proxyproto.Read(bufio.NewReader(bytes.NewReader(raw)))
	if err != nil {
		return ends{}, err
	}
	if h.Command.IsLocal() || h.TransportProtocol == proxyproto.UNSPEC {
		return endsOf(c), nil
	}
	from, to, ok := h.TCPAddrs()
	if !ok {
		return ends{}, errors.New("the PROXY header is of no TCP connection")
	}
	return ends{from, to}, nil
}

// frameProxied finds where the header ends.
func frameProxied(c io.Reader) ([]byte, error) {
	raw := make([]byte, len(proxyV2), 256) // the shortest header of version 1 is longer
	if _, err := io.ReadFull(c, raw); err != nil {
		return nil, fmt.Errorf("read PROXY header: %w", err)
	}
	switch {
	case string(raw) == proxyV2:
		raw = raw[:proxyV2Start]
		if _, err := io.ReadFull(c, raw[len(proxyV2):]); err != nil {
			return nil, fmt.Errorf("read PROXY header: %w", err)
		}
		rest := int(raw[proxyV2Start-2])<<8 | int(raw[proxyV2Start-1])
		if rest > maxProxyV2 {
			return nil, fmt.Errorf("a PROXY header of %d bytes", rest)
		}
		raw = append(raw, make([]byte, rest)...)
		if _, err := io.ReadFull(c, raw[proxyV2Start:]); err != nil {
			return nil, fmt.Errorf("read PROXY header: %w", err)
		}
		return raw, nil
	case string(raw[:len(proxyV1)]) == proxyV1:
		for raw[len(raw)-1] != '\n' {
			if len(raw) == maxProxyV1 {
				return nil, errors.New("a PROXY header without an end")
			}
			raw = append(raw, 0)
			if _, err := io.ReadFull(c, raw[len(raw)-1:]); err != nil {
				return nil, fmt.Errorf("read PROXY header: %w", err)
			}
		}
		return raw, nil
	}
	return nil, errors.New("no PROXY header")
}
