package nodeapi

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"

	"github.com/marina-cloud/marina/internal/fault"
	"github.com/marina-cloud/marina/node-fleet/join"
)

var (
	errTooLarge = fault.New(fault.Invalid, "too_large", "The request is larger than 64 KiB.")
	errShape    = fault.New(fault.Invalid, "invalid_json", "The request is not JSON of the expected form.")
	errEarly    = fault.New(fault.Unavailable, "too_early", "The machine was only just started, and its address is not recorded yet. Try again at once.")
	errNoPath   = fault.New(fault.NotFound, "not_found", "The node API has no such path.")
)

// statuses of the kinds of faults.
var statuses = map[fault.Kind]int{
	fault.Internal:     http.StatusInternalServerError,
	fault.Invalid:      http.StatusBadRequest,
	fault.NotFound:     http.StatusNotFound,
	fault.Conflict:     http.StatusConflict,
	fault.Unauthorized: http.StatusUnauthorized,
	fault.Forbidden:    http.StatusForbidden,
	fault.Exhausted:    http.StatusTooManyRequests,
	fault.Unavailable:  http.StatusServiceUnavailable,
}

// problem is the body of an answer that is an error (RFC 9457).
type problem struct {
	Type   string         `json:"type"`
	Title  string         `json:"title"`
	Status int            `json:"status"`
	Detail string         `json:"detail"`
	Code   string         `json:"code"`
	Errors []problemField `json:"errors,omitempty"`
}

type problemField struct {
	Field  string `json:"field"`
	Detail string `json:"detail"`
}

// answer writes what f returns.
func (a *API) answer(w http.ResponseWriter, r *http.Request, f func(context.Context) (join.Response, error)) {
	response, err := f(r.Context())
	if err != nil {
		refused := fault.From(err)
		if refused.Kind == fault.Internal {
			a.Log.ErrorContext(r.Context(), "node API", "path", r.URL.Path, "error", err)
		} else {
			a.Log.WarnContext(r.Context(), "machine refused", "path", r.URL.Path, "code", refused.Code)
		}
		refuse(w, refused)
		return
	}
	write(w, "application/json", http.StatusOK, response)
}

func refuse(w http.ResponseWriter, f *fault.Error) {
	status := statuses[f.Kind]
	if errors.Is(f, errTooLarge) {
		status = http.StatusRequestEntityTooLarge
	}
	p := problem{Type: "about:blank", Title: http.StatusText(status), Status: status, Detail: f.Msg, Code: f.Code}
	for _, field := range f.Fields {
		p.Errors = append(p.Errors, problemField{Field: field.Name, Detail: field.Reason})
	}
	write(w, "application/problem+json", status, p)
}

func write(w http.ResponseWriter, contentType string, status int, body any) {
	text, err := json.Marshal(body)
	if err != nil {
		http.Error(w, "", http.StatusInternalServerError) // plain data always can be encoded
		return
	}
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	w.Write(text) //nolint:errcheck // nobody is left to be told
}

func notFound(w http.ResponseWriter, _ *http.Request) { refuse(w, errNoPath) }

// decode reads the request. Unknown fields are ignored: an agent may be newer.
func decode(w http.ResponseWriter, r *http.Request, into any) error {
	err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody)).Decode(into)
	if _, large := errors.AsType[*http.MaxBytesError](err); large {
		return errTooLarge
	}
	if err != nil {
		return errShape.Because(err)
	}
	return nil
}
