package gateway

import (
	"bytes"
	"encoding/base64"

	"github.com/marina-cloud/marina/internal/fault"
)

// PageInput is how a client asks for one page of a list.
type PageInput struct {
	Limit  int    `query:"limit" minimum:"1" maximum:"100" default:"20" doc:"How many items at most."`
	Cursor string `query:"cursor" maxLength:"200" doc:"The next_cursor of the page before."`
}

// page is one page of a list.
type page[T any] struct {
	Items      []T    `json:"items"`
	NextCursor string `json:"next_cursor,omitempty" doc:"Ask for the next page with it. Absent on the last page."`
}

type pageOutput[T any] struct{ Body page[T] }

var errBadCursor = fault.New(fault.Invalid, "bad_cursor", "The cursor is not one that this API gave out. Begin again without a cursor.")

// after is the id behind which the page begins; empty for the first page.
func (p PageInput) after() (string, error) {
	raw, err := base64.RawURLEncoding.DecodeString(p.Cursor)
	if err != nil || bytes.ContainsFunc(raw, notOfID) {
		return "", errBadCursor
	}
	return string(raw), nil
}

// notOfID reports whether no id of ours holds r.
func notOfID(r rune) bool {
	return r != '-' && (r < '0' || r > '9') && (r < 'a' || r > 'z')
}

// fewOf makes a page of rows of which there are so few that they are all read.
func fewOf[R, V any](rows []R, after string, limit int, id func(R) string, view func(R) V) *pageOutput[V] {
	for len(rows) > 0 && id(rows[0]) <= after {
		rows = rows[1:]
	}
	return pageOf(rows, limit, id, view)
}

// pageOf makes a page of up to limit of the rows, of which the caller fetched one
// more than limit if there was one.
func pageOf[R, V any](rows []R, limit int, id func(R) string, view func(R) V) *pageOutput[V] {
	out := &pageOutput[V]{Body: page[V]{Items: make([]V, 0, len(rows))}}
	if len(rows) > limit {
		rows = rows[:limit]
		out.Body.NextCursor = base64.RawURLEncoding.EncodeToString([]byte(id(rows[limit-1])))
	}
	for _, r := range rows {
		out.Body.Items = append(out.Body.Items, view(r))
	}
	return out
}
