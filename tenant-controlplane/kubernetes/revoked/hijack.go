package revoked

import (
	"bufio"
	"context"
	"net"
	"net/http"
)

// writer closes the connection of a request that took it over when its credential is
// revoked: whoever copies bytes between two connections looks at no context.
type writer struct {
	http.ResponseWriter
	request *request
}

// Unwrap implements responsewriter.UserProvidedDecorator.
func (w *writer) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// Hijack implements http.Hijacker.
func (w *writer) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	h, ok := w.ResponseWriter.(http.Hijacker)
	if !ok {
		return nil, nil, http.ErrNotSupported
	}
	c, rw, err := h.Hijack()
	if err == nil {
		context.AfterFunc(w.request.revoked, func() { _ = c.Close() })
	}
	return c, rw, err
}
