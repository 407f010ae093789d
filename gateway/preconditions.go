package gateway

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humachi"
)

// Preconditions make a request depend on what the resource is at that moment
// (RFC 9110, 13): who read it and sends its entity tag along overwrites nothing that
// they have not seen, and is not sent again what they have.
type Preconditions struct {
	IfMatch     string `header:"If-Match" doc:"The ETag of the resource as you know it, or *. If it is another one by now, nothing is done and the answer is 412." example:"\"mJ2o4oZ7Yxk1r0Qh\""`
	IfNoneMatch string `header:"If-None-Match" doc:"The ETag of the resource as you know it. If it still is that, GET answers 304 without a body, and what would change it answers 412." example:"\"mJ2o4oZ7Yxk1r0Qh\""`
}

// Resolve takes the headers from all of their lines.
func (p *Preconditions) Resolve(ctx huma.Context) []error {
	r, _ := humachi.Unwrap(ctx)
	p.IfMatch, p.IfNoneMatch = strings.Join(r.Header.Values("If-Match"), ","), strings.Join(r.Header.Values("If-None-Match"), ",")
	return nil
}

// conditional adds what operations may answer that take Preconditions.
func conditional(op huma.Operation) huma.Operation {
	op.Errors = append(op.Errors, http.StatusPreconditionFailed)
	if op.Method == http.MethodGet {
		op.Responses = map[string]*huma.Response{"304": {Description: "The resource is as you know it."}}
	}
	return op
}

// tagged is a resource with its entity tag.
type tagged[V any] struct {
	ETag string `header:"ETag" doc:"Of the resource as it is shown. Send it as If-Match to change just that, or as If-None-Match to ask for it only if it is another."`
	Body V
}

// shown is a resource with its entity tag, or, with status 304, the tag alone.
type shown[V any] struct {
	Status int
	ETag   string `header:"ETag" doc:"Of the resource as it is shown. Send it as If-Match to change just that, or as If-None-Match to ask for it only if it is another."`
	Body   V
}

// tagOf is the entity tag of a resource: a strong one (RFC 9110, 8.8.1), because
// If-Match takes no other (13.1.1). So it changes with all that is shown, what Marina
// does to a cluster included.
func tagOf(view any) string {
	data, err := json.Marshal(view)
	if err != nil {
		panic(fmt.Sprintf("gateway: %T cannot be encoded: %v", view, err)) // plain data always can
	}
	sum := sha256.Sum256(data)
	return `"` + base64.RawURLEncoding.EncodeToString(sum[:12]) + `"`
}

func withTag[V any](view V) *tagged[V] { return &tagged[V]{ETag: tagOf(view), Body: view} }

// read answers a request for a resource under its conditions.
func read[V any](ctx context.Context, s *server, p Preconditions, view V) (*shown[V], error) {
	out := &shown[V]{Status: http.StatusOK, ETag: tagOf(view), Body: view}
	switch {
	case p.IfMatch != "" && !matches(p.IfMatch, out.ETag, false):
		return nil, s.failed(ctx, preconditionFailed())
	case p.IfNoneMatch != "" && matches(p.IfNoneMatch, out.ETag, true):
		out.Status = http.StatusNotModified
	}
	return out, nil
}

// allowChange returns a problem when a resource with this tag is not to be changed.
func (p Preconditions) allowChange(tag string) error {
	if p.IfMatch != "" && !matches(p.IfMatch, tag, false) || p.IfNoneMatch != "" && matches(p.IfNoneMatch, tag, true) {
		return preconditionFailed()
	}
	return nil
}

func preconditionFailed() *Problem {
	return newProblem(http.StatusPreconditionFailed, "precondition_failed",
		"The resource is not what your request says that it knows: somebody, or Marina itself, has changed it. Read it again, see whether you still want this, and send it with the new ETag.")
}

// matches reports whether a tag is in the list of a header; weak compares as RFC 9110,
// 8.8.3.2, calls it, otherwise a weak tag equals nothing.
func matches(list, tag string, weak bool) bool {
	for given := range strings.SplitSeq(list, ",") { // our own tags hold no comma
		given = strings.TrimSpace(given)
		if weak {
			given = strings.TrimPrefix(given, "W/")
		}
		if given == tag || given == "*" {
			return true
		}
	}
	return false
}
