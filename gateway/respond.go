package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humachi"
	"github.com/danielgtaylor/huma/v2/validation"

	"github.com/marina-cloud/marina/internal/fault"
	"github.com/marina-cloud/marina/internal/logs"
)

// Problem is an error as a client sees it: RFC 9457, with a code to branch on and
// every wrong field. It never repeats what the client sent, which may be secret.
type Problem struct {
	Type   string         `json:"type" doc:"Always about:blank: the code says what the problem is." example:"about:blank"`
	Title  string         `json:"title" doc:"The status in words." example:"Unprocessable Entity"`
	Status int            `json:"status" doc:"The HTTP status." example:"422"`
	Code   string         `json:"code" doc:"What happened, for programs. Never reworded." example:"invalid"`
	Detail string         `json:"detail" doc:"What happened and what to do, for people."`
	Errors []ProblemField `json:"errors,omitempty" doc:"Every wrong field, up to 100."`
	// Request is set where the problem is answered.
	Request string `json:"request_id,omitempty" doc:"Of the request, as in the header X-Request-Id: quote it when you report a problem." example:"VQ3WQ2PRHZ5T6DJM7RMN2KBZ4A"`

	retryAfter int // seconds; of a 429
}

// ProblemField is one wrong field.
type ProblemField struct {
	Location string `json:"location" doc:"Where it is in the request." example:"body.name"`
	Message  string `json:"message" doc:"What is wrong with it."`
}

func (p *Problem) Error() string { return p.Detail }

// GetStatus, GetHeaders and ContentType are what huma asks of an error.
func (p *Problem) GetStatus() int { return p.Status }

// GetHeaders returns the challenge that belongs to a 401 (RFC 9110, 15.5.2), and how
// long to wait after a 429 (RFC 6585, 4).
func (p *Problem) GetHeaders() http.Header {
	switch p.Status {
	case http.StatusUnauthorized:
		return http.Header{"Www-Authenticate": {`Bearer realm="marina"`}}
	case http.StatusTooManyRequests:
		return http.Header{"Retry-After": {strconv.Itoa(p.retryAfter)}}
	}
	return nil
}

// ContentType names the media type of problems.
func (p *Problem) ContentType(string) string { return "application/problem+json" }

// ErrorDetail lets huma's validation hold one of our fields.
func (f ProblemField) ErrorDetail() *huma.ErrorDetail {
	return &huma.ErrorDetail{Location: f.Location, Message: f.Message}
}

func (f ProblemField) Error() string { return f.Location + " " + f.Message }

func newProblem(status int, code, detail string) *Problem {
	return &Problem{Type: "about:blank", Title: http.StatusText(status), Status: status, Code: code, Detail: detail}
}

// statuses is the one table from the kinds of faults to HTTP.
var statuses = map[fault.Kind]int{
	fault.Internal:     http.StatusInternalServerError,
	fault.Invalid:      http.StatusUnprocessableEntity,
	fault.NotFound:     http.StatusNotFound,
	fault.Conflict:     http.StatusConflict,
	fault.Unauthorized: http.StatusUnauthorized,
	fault.Forbidden:    http.StatusForbidden,
	fault.Exhausted:    http.StatusForbidden,
	fault.Unavailable:  http.StatusServiceUnavailable,
}

func problemOf(err error) *Problem {
	f := fault.From(err)
	p := newProblem(statuses[f.Kind], f.Code, f.Msg)
	for _, w := range f.Fields {
		p.Errors = append(p.Errors, ProblemField{Location: "body." + w.Name, Message: w.Reason})
	}
	return p
}

// codes are those of the problems that huma finds.
var codes = map[int]string{
	http.StatusBadRequest:           "malformed",
	http.StatusNotAcceptable:        "not_acceptable",
	http.StatusUnsupportedMediaType: "unsupported_media_type",
	http.StatusUnprocessableEntity:  "invalid",
}

// maxErrors bounds how many wrong fields an answer names: a small request can
// have very many.
const maxErrors = 100

func init() {
	// huma offers no other way to choose the type of its own errors, nor to
	// describe it in the OpenAPI document.
	huma.NewError = func(status int, msg string, errs ...error) huma.StatusError { return problemOfHuma(status, msg, errs) }
	huma.NewErrorWithContext = func(ctx huma.Context, status int, msg string, errs ...error) huma.StatusError {
		p := problemOfHuma(status, msg, errs)
		if ctx != nil {
			p.Request = logs.RequestOf(ctx.Context())
		}
		return p
	}
	// Otherwise "Name" would pass for "name", and a body might hold both.
	huma.ValidateStrictCasing = true
}

func problemOfHuma(status int, msg string, errs []error) *Problem {
	code, ok := codes[status]
	if !ok {
		code = strings.ReplaceAll(strings.ToLower(http.StatusText(status)), " ", "_")
	}
	p := newProblem(status, code, sentence(status, msg))
	seen := map[string]bool{}
	for _, err := range errs {
		d, ok := err.(huma.ErrorDetailer)
		if !ok {
			continue
		}
		f := fieldOf(d.ErrorDetail())
		// The schema's complaint comes first and is enough. Nothing can be said
		// about the fields of a body that could not be read.
		if seen[f.Location] || status != http.StatusUnprocessableEntity && f.Location != "body" {
			continue
		}
		seen[f.Location] = true
		p.Errors = append(p.Errors, f)
		if len(p.Errors) == maxErrors {
			break
		}
	}
	return p
}

// fieldOf says of a field that is missing where it should have been: huma names
// the object that it is missing from, the same for all of its fields.
func fieldOf(d *huma.ErrorDetail) ProblemField {
	before, after, _ := strings.Cut(validation.MsgExpectedRequiredProperty, "%s")
	if name, ok := strings.CutPrefix(d.Message, before); ok {
		if name, ok = strings.CutSuffix(name, after); ok {
			return ProblemField{Location: d.Location + "." + name, Message: "is required"}
		}
	}
	return ProblemField{Location: d.Location, Message: d.Message}
}

func sentence(status int, msg string) string {
	switch {
	case status == http.StatusUnprocessableEntity:
		return "The request is not valid. The errors say which fields are wrong and why."
	case status == http.StatusUnsupportedMediaType:
		return "The request's body must be JSON, with the header Content-Type: application/json."
	case status == http.StatusBadRequest && msg == "request body is required":
		return "The request needs a body: a JSON object."
	case status == http.StatusBadRequest:
		return "The request's body is not JSON. The error says where."
	}
	return msg
}

// failed turns an error of an operation into a problem, and logs what the client
// is not told.
func (s *server) failed(ctx context.Context, err error) *Problem {
	if p, ok := errors.AsType[*Problem](err); ok {
		p.Request = logs.RequestOf(ctx)
		return p
	}
	p := problemOf(err)
	p.Request = logs.RequestOf(ctx)
	switch {
	case ctx.Err() != nil: // the client left; nobody reads the answer
	case p.Status >= http.StatusInternalServerError:
		s.Log.ErrorContext(ctx, "request failed", logs.Request, logs.RequestOf(ctx), "code", p.Code, "error", err)
	}
	return p
}

// refuse answers a request that never reaches its operation.
func (s *server) refuse(ctx huma.Context, err error) {
	_, w := humachi.Unwrap(ctx)
	writeProblem(w, s.failed(ctx.Context(), err))
}

func writeProblem(w http.ResponseWriter, p *Problem) {
	h := w.Header()
	p.Request = h.Get("X-Request-Id")
	maps.Copy(h, p.GetHeaders())
	h.Set("Content-Type", p.ContentType(""))
	w.WriteHeader(p.Status)
	_ = json.NewEncoder(w).Encode(p)
}
