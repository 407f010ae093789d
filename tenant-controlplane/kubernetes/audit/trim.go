package audit

import (
	"unicode/utf8"

	authentication "k8s.io/api/authentication/v1"
	audit "k8s.io/apiserver/pkg/apis/audit"
)

const (
	// maxText bounds each text that a client chooses: it may be as long as a
	// request's header.
	maxText = 2 << 10
	// maxAnnotations bounds all annotations of an event together, which admission
	// webhooks may add to.
	maxAnnotations = 16 << 10
	// maxSources is how many addresses are kept, the nearest ones: what is before
	// them is whatever the client wrote into its X-Forwarded-For header.
	maxSources = 8
	// frame is about what an event takes beside its own texts, as JSON.
	frame = 700
)

// trim returns e, or a copy of it without what makes it too long.
func trim(e *audit.Event) *audit.Event {
	notes := 0
	for k, v := range e.Annotations {
		notes += len(k) + len(v)
	}
	bodies := e.RequestObject != nil || e.ResponseObject != nil
	if !bodies && len(e.RequestURI) <= maxText && len(e.UserAgent) <= maxText && len(e.SourceIPs) <= maxSources && notes <= maxAnnotations {
		return e
	}
	c := *e
	c.SourceIPs = e.SourceIPs[max(0, len(e.SourceIPs)-maxSources):]
	c.RequestObject, c.ResponseObject = nil, nil // the policy asks for none
	c.RequestURI, c.UserAgent = cut(e.RequestURI), cut(e.UserAgent)
	if notes > maxAnnotations {
		c.Annotations = map[string]string{"audit.marina.cloud/truncated": "annotations"}
	}
	return &c
}

func cut(s string) string {
	if len(s) <= maxText {
		return s
	}
	s = s[:maxText]
	for !utf8.ValidString(s) && len(s) > 0 {
		s = s[:len(s)-1]
	}
	return s + "…"
}

// size is about how many bytes e takes in the log: an upper bound is not worth to
// encode everything twice.
func size(e *audit.Event) int {
	n := frame + len(e.RequestURI) + len(e.UserAgent) + sizeOf(e.User)
	if u := e.ImpersonatedUser; u != nil {
		n += sizeOf(*u)
	}
	for _, a := range e.SourceIPs {
		n += len(a) + 3
	}
	if r := e.ObjectRef; r != nil {
		n += len(r.Namespace) + len(r.Name) + len(r.Resource) + len(r.UID)
	}
	if s := e.ResponseStatus; s != nil {
		n += len(s.Message)
	}
	for k, v := range e.Annotations {
		n += len(k) + len(v) + 6
	}
	return n
}

func sizeOf(u authentication.UserInfo) int {
	n := len(u.Username) + len(u.UID)
	for _, g := range u.Groups {
		n += len(g) + 3
	}
	for k, vs := range u.Extra {
		n += len(k)
		for _, v := range vs {
			n += len(v) + 3
		}
	}
	return n
}
