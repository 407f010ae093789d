// Package fault is the vocabulary of failure that every context shares.
//
// A fault has a kind (the class of the failure, which the gateway turns into an
// HTTP status) and a code (what a client may branch on). An error that is not a
// fault is by definition a bug of ours or a broken dependency, and a customer
// never sees its text.
package fault

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Kind is the class of a failure.
type Kind uint8

// The kinds.
const (
	Internal     Kind = iota // a bug or an unhandled condition on our side
	Invalid                  // the request cannot be right, whatever the state
	NotFound                 // absent, or hidden from this caller: never tell which
	Conflict                 // right in itself, wrong against the present state
	Unauthorized             // the caller has not proved who it is
	Forbidden                // the caller may know of it, but may not do this
	Exhausted                // a quota or a capacity is used up
	Unavailable              // a dependency is down; a retry may help
)

// Field is one wrong field of a request.
type Field struct {
	Name   string // a path as the client wrote it, such as "node_pools[0].count"
	Reason string // what is wrong and what would be right, as a clause
}

// Error is one failure as a customer may see it.
type Error struct {
	Kind   Kind
	Code   string  // snake_case, part of the API's contract, never reworded
	Msg    string  // a sentence for the customer: what happened, what to do
	Fields []Field // every wrong field, for Kind Invalid
	cause  error   // for the log only
}

// New returns a fault. Packages declare theirs as variables.
func New(k Kind, code, msg string) *Error { return &Error{Kind: k, Code: code, Msg: msg} }

// Because returns a copy of e that wraps cause, for the log.
func (e *Error) Because(cause error) *Error {
	c := *e
	c.cause = cause
	return &c
}

// Saying returns a copy of e with a message of its own.
func (e *Error) Saying(format string, args ...any) *Error {
	c := *e
	c.Msg = fmt.Sprintf(format, args...)
	return &c
}

// With returns a copy of e that names a wrong field.
func (e *Error) With(field, reason string) *Error {
	c := *e
	c.Fields = append(slices.Clone(e.Fields), Field{field, reason})
	return &c
}

// InvalidFields returns the fault for a request with these wrong fields, or nil
// when there are none. It has the type error so that nil stays nil.
func InvalidFields(fields []Field) error {
	if len(fields) == 0 {
		return nil
	}
	names := make([]string, len(fields))
	for i, f := range fields {
		names[i] = f.Name + " " + f.Reason
	}
	return &Error{Kind: Invalid, Code: "invalid", Msg: "The request is not valid: " + strings.Join(names, "; ") + ".", Fields: fields}
}

func (e *Error) Error() string {
	if e.cause != nil {
		return e.Code + ": " + e.cause.Error()
	}
	return e.Code + ": " + e.Msg
}

func (e *Error) Unwrap() error { return e.cause }

// Is makes two faults equal when their codes are, so that errors.Is works with
// a declared variable after Because or Saying made a copy of it.
func (e *Error) Is(target error) bool {
	t, ok := target.(*Error)
	return ok && t.Code == e.Code
}

// From returns the first fault in err's chain; any other error is Internal.
func From(err error) *Error {
	if f, ok := errors.AsType[*Error](err); ok {
		return f
	}
	return New(Internal, "internal", "Something went wrong on our side. It has been logged.").Because(err)
}
