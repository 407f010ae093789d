// Package logs is how processes write down what they do: one line for each thing
// done, with a constant message, in JSON for programs or as text for a person at a
// terminal. A line that is about a request, a cluster, a pool or a node names it,
// under the keys of this package.
package logs

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
)

// The keys by which lines name what they are about.
const (
	Request = "request"
	Cluster = "cluster"
	Pool    = "pool"
	Node    = "node"
)

// New returns a logger that writes to w; asText is for people.
func New(w io.Writer, level slog.Level, asText bool) *slog.Logger {
	options := &slog.HandlerOptions{Level: level, ReplaceAttr: redact}
	if asText {
		return slog.New(handler{slog.NewTextHandler(w, options)})
	}
	return slog.New(handler{slog.NewJSONHandler(w, options)})
}

// secrets are the keys whose values are never written, whoever passes them by
// mistake. What is a secret has the type secret.Text, which is the first fence.
var secrets = []string{"password", "token", "secret", "authorization", "cookie", "dsn", "kubeconfig", "private_key"}

func redact(_ []string, a slog.Attr) slog.Attr {
	if slices.Contains(secrets, strings.ToLower(a.Key)) {
		return slog.String(a.Key, "[redacted]")
	}
	return a
}

// handler adds to each line what its context says that it is about.
type handler struct{ slog.Handler }

func (h handler) Handle(ctx context.Context, r slog.Record) error {
	if id := RequestOf(ctx); id != "" && !has(r, Request) {
		r = r.Clone()
		r.AddAttrs(slog.String(Request, id))
	}
	return h.Handler.Handle(ctx, r)
}

func has(r slog.Record, key string) (found bool) {
	r.Attrs(func(a slog.Attr) bool {
		found = a.Key == key
		return !found
	})
	return found
}

func (h handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return handler{h.Handler.WithAttrs(attrs)}
}

func (h handler) WithGroup(name string) slog.Handler { return handler{h.Handler.WithGroup(name)} }

type requestKey struct{}

// WithRequest returns a context of which every line names the request that caused
// what is done.
func WithRequest(ctx context.Context, id string) context.Context {
	if id == "" {
		return ctx
	}
	return context.WithValue(ctx, requestKey{}, id)
}

// RequestOf returns the request that caused what is done under ctx; empty when
// nobody asked for it.
func RequestOf(ctx context.Context) string {
	id, _ := ctx.Value(requestKey{}).(string)
	return id
}

// Lengths of a request's id.
const minRequest, maxRequest = 8, 64

// GoodRequest reports whether a client's own id of its request may be taken: it is
// written into logs and answers, so it is short and of plain characters.
func GoodRequest(id string) bool {
	return len(id) >= minRequest && len(id) <= maxRequest && !strings.ContainsFunc(id, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-' && r != '_' && r != '.'
	})
}

// Sentence is a line of JSON as a person reads it; what is none is returned as it is.
func Sentence(line string) string {
	fields, ok := parse(line)
	if !ok {
		return line
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s %s", fields[slog.TimeKey], fields[slog.LevelKey], fields[slog.MessageKey])
	for _, k := range slices.Sorted(keys(fields)) {
		fmt.Fprintf(&b, " %s=%q", k, fmt.Sprint(fields[k]))
	}
	return b.String()
}
