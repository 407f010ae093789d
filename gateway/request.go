package gateway

import (
	"net/http"
	"runtime/debug"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"

	"github.com/marina-cloud/marina/internal/fault"
	"github.com/marina-cloud/marina/internal/logs"
)

// This file is what every request goes through, whatever it asks for.

// secureHeaders holds the defaults for a JSON API (OWASP REST Security Cheat Sheet).
func secureHeaders(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
		h.Set("Cache-Control", "no-store")
		next.ServeHTTP(w, r)
	})
}

// recoverPanics turns a panic into a problem, or cuts the connection when a part
// of the answer is out already: half an answer must not look like a whole one.
func (s *server) recoverPanics(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ww := middleware.NewWrapResponseWriter(w, r.ProtoMajor)
		defer func() {
			v := recover()
			if v == nil {
				return
			}
			if v == http.ErrAbortHandler {
				panic(v)
			}
			s.Log.ErrorContext(r.Context(), "request panicked", logs.Request, logs.RequestOf(r.Context()), "path", r.URL.Path, "panic", v, "stack", string(debug.Stack()))
			if ww.Status() != 0 {
				panic(http.ErrAbortHandler)
			}
			writeProblem(w, newProblem(http.StatusInternalServerError, "internal", "Something went wrong on our side. It has been logged."))
		}()
		next.ServeHTTP(ww, r)
	})
}

// plainPath answers for paths that cannot name anything: those with an empty part,
// and those with characters that a store could not even compare.
func plainPath(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		path := r.URL.Path
		if strings.Contains(path, "//") || !utf8.ValidString(path) || strings.ContainsFunc(path, unicode.IsControl) {
			notFound(w, r)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// errNothingHere is what an address answers that does not exist.
var errNothingHere = fault.New(fault.NotFound, "not_found", "There is nothing at this address. The API is described at /openapi.json.")

func notFound(w http.ResponseWriter, _ *http.Request) { writeProblem(w, problemOf(errNothingHere)) }

// methodNotAllowed answers for addresses that exist and methods that they do not
// take; with Allow, as RFC 9110 asks (sections 9.3.7 and 15.5.6).
func methodNotAllowed(routes chi.Routes) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		allowed := methods(routes, r)
		switch {
		case len(allowed) == 0: // a method that nothing takes, at an address that is none
			notFound(w, r)
			return
		case r.Method == http.MethodOptions:
			w.Header().Set("Allow", strings.Join(allowed, ", "))
			w.WriteHeader(http.StatusNoContent)
			return
		}
		w.Header().Set("Allow", strings.Join(allowed, ", "))
		writeProblem(w, newProblem(http.StatusMethodNotAllowed, "method_not_allowed", "This address does not take "+r.Method+" requests."))
	}
}

// methods returns those that the request's address takes, sorted; none when there
// is no such address.
func methods(routes chi.Routes, r *http.Request) []string {
	path := r.URL.RawPath
	if path == "" {
		path = r.URL.Path
	}
	var allowed []string
	for _, m := range []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete} {
		if routes.Match(chi.NewRouteContext(), m, path) {
			allowed = append(allowed, m)
		}
	}
	if slices.Contains(allowed, http.MethodGet) {
		allowed = append(allowed, http.MethodHead)
	}
	if len(allowed) > 0 {
		allowed = append(allowed, http.MethodOptions)
	}
	slices.Sort(allowed)
	return allowed
}
