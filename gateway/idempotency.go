package gateway

import (
	"bytes"
	"context"
	"crypto/sha256"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humachi"

	"github.com/marina-cloud/marina/gateway/internal/postgres"
	"github.com/marina-cloud/marina/internal/fault"
	"github.com/marina-cloud/marina/internal/logs"
)

const (
	keyHeader = "Idempotency-Key"
	maxKey    = 200
)

var (
	errKeyReused    = fault.New(fault.Invalid, "idempotency_key_reused", "This Idempotency-Key was used for another request. Use a new key.")
	errKeyRunning   = fault.New(fault.Conflict, "idempotency_key_running", "The first request with this Idempotency-Key is still being worked on. Ask again in a moment.")
	errKeyLong      = fault.New(fault.Invalid, "idempotency_key_long", "An Idempotency-Key has at most 200 characters.")
	errKeyMalformed = fault.New(fault.Invalid, "idempotency_key_malformed", "An Idempotency-Key consists of printable ASCII characters. Use a UUID, for example.")
)

// repeatable lets an operation take an Idempotency-Key. It is for those that make
// something and whose answer holds no secret, because the answer is kept.
func (s *server) repeatable(op huma.Operation) huma.Operation {
	limit := maxKey
	op.Parameters = append(op.Parameters, &huma.Param{
		Name: keyHeader, In: "header", Schema: &huma.Schema{Type: huma.TypeString, MaxLength: &limit},
		Description: "A text of your choice, such as a UUID. For a day, a request that is repeated with it is answered as the first one was, and nothing is made twice.",
	})
	op.Middlewares = append(op.Middlewares, s.idempotent)
	return op
}

// idempotent answers a repeated request with what was answered first, for a day
// (draft-ietf-httpapi-idempotency-key-header).
func (s *server) idempotent(ctx huma.Context, next func(huma.Context)) {
	key := ctx.Header(keyHeader)
	if key == "" {
		next(ctx)
		return
	}
	if err := wrongKey(key); err != nil {
		s.refuse(ctx, err)
		return
	}
	r, w := humachi.Unwrap(ctx)
	body, err := io.ReadAll(r.Body) // in memory already: see readBody
	if err != nil {
		s.refuse(ctx, err)
		return
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	hash := sha256.Sum256(append([]byte(r.Method+" "+r.URL.Path+"\n"), body...))
	claim := postgres.Claim{Organization: caller(ctx.Context()).Organization, Key: key, Request: hash[:], At: s.now()}
	answer, err := s.answers.Claim(ctx.Context(), claim)
	switch {
	case err != nil:
		s.refuse(ctx, err)
	case answer.Claimed:
		rec := &recorder{ResponseWriter: w}
		defer s.settle(ctx.Context(), claim, rec) // also when the operation panics
		next(humachi.NewContext(ctx.Operation(), r.WithContext(ctx.Context()), rec))
	case answer.Other:
		s.refuse(ctx, errKeyReused)
	case answer.Status == 0:
		s.refuse(ctx, errKeyRunning)
	default:
		replay(w, answer)
	}
}

func wrongKey(key string) error {
	switch {
	case len(key) > maxKey:
		return errKeyLong
	case strings.ContainsFunc(key, func(r rune) bool { return r < ' ' || r > '~' }):
		return errKeyMalformed
	}
	return nil
}

func replay(w http.ResponseWriter, a postgres.Answer) {
	mediaType := "application/json"
	if a.Status >= http.StatusBadRequest {
		mediaType = "application/problem+json"
	}
	w.Header().Set("Content-Type", mediaType)
	w.Header().Set("Idempotency-Replayed", "true")
	w.WriteHeader(a.Status)
	_, _ = w.Write(a.Body)
}

// settle keeps the answer, or gives the key back when the failure was ours. It
// does so even when the client is gone: it will ask again.
func (s *server) settle(ctx context.Context, claim postgres.Claim, rec *recorder) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	var err error
	if rec.status == 0 || rec.status >= http.StatusInternalServerError {
		err = s.answers.Forget(ctx, claim)
	} else {
		err = s.answers.Keep(ctx, claim, rec.status, rec.body.Bytes())
	}
	if err != nil {
		s.Log.ErrorContext(ctx, "idempotency key not settled", logs.Request, logs.RequestOf(ctx), "error", err)
	}
}

// recorder passes an answer on and remembers it.
type recorder struct {
	http.ResponseWriter
	status int
	body   bytes.Buffer
}

func (r *recorder) WriteHeader(status int) {
	if r.status == 0 {
		r.status = status
	}
	r.ResponseWriter.WriteHeader(status)
}

func (r *recorder) Write(p []byte) (int, error) {
	if r.status == 0 {
		r.status = http.StatusOK
	}
	r.body.Write(p)
	return r.ResponseWriter.Write(p)
}

// Unwrap lets http.ResponseController reach the connection.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }
