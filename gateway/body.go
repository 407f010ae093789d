package gateway

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humachi"

	"github.com/marina-cloud/marina/internal/fault"
)

// Bounds of a request's body. No resource of ours comes near.
const (
	maxBody  = 256 << 10 // bytes
	bodyTime = 10 * time.Second
)

// readBody reads an operation's body into memory before anything looks at it, so
// that its bounds and what is answered beyond them are the same everywhere. huma's
// own deadline would stay on the connection and end operations that take longer.
func (s *server) readBody(ctx huma.Context, next func(huma.Context)) {
	if ctx.Operation().RequestBody == nil {
		next(ctx)
		return
	}
	r, w := humachi.Unwrap(ctx)
	body, p := bounded(w, r)
	if p != nil {
		// Without it the server would first read on, to keep the connection.
		w.Header().Set("Connection", "close")
		writeProblem(w, p)
		return
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	next(ctx)
}

func bounded(w http.ResponseWriter, r *http.Request) ([]byte, *Problem) {
	tooLarge := newProblem(http.StatusRequestEntityTooLarge, "too_large", "The request's body is too large: 256 KiB are allowed.")
	if r.ContentLength > maxBody {
		return nil, tooLarge
	}
	connection := http.NewResponseController(w)
	_ = connection.SetReadDeadline(time.Now().Add(bodyTime)) // where there is no connection, nothing is slow
	body, err := io.ReadAll(io.LimitReader(r.Body, maxBody+1))
	switch {
	case len(body) > maxBody:
		return nil, tooLarge
	case errors.Is(err, os.ErrDeadlineExceeded):
		return nil, newProblem(http.StatusRequestTimeout, "timeout", "The request's body did not arrive in time.")
	case err != nil:
		return nil, newProblem(http.StatusBadRequest, "malformed", "The request's body could not be read to its end.")
	}
	_ = connection.SetReadDeadline(time.Time{})
	return body, nil
}

// readJSON decodes a body, or says where it is wrong without repeating any of it.
func readJSON(data []byte, v any) error {
	err := json.Unmarshal(data, v)
	if e, ok := errors.AsType[*json.SyntaxError](err); ok {
		before := data[:max(e.Offset-1, 0)] // the offset counts the byte that is wrong
		line := bytes.Count(before, []byte("\n")) + 1
		column := len(before) - bytes.LastIndexByte(before, '\n')
		return fmt.Errorf("is not JSON: see line %d, column %d", line, column)
	}
	if e, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return fmt.Errorf("has a value that does not fit at %s", e.Field)
	}
	return err
}

// details puts wrong fields of a body into the form in which huma collects them.
func details(wrong []fault.Field) []error {
	errs := make([]error, len(wrong))
	for i, w := range wrong {
		errs[i] = ProblemField{Location: "body." + w.Name, Message: w.Reason}
	}
	return errs
}

// detailsOf does the same with the fault that a Validate method returned.
func detailsOf(err error) []error {
	if err == nil {
		return nil
	}
	f := fault.From(err)
	if len(f.Fields) == 0 {
		return []error{ProblemField{Location: "body", Message: f.Msg}}
	}
	return details(f.Fields)
}
