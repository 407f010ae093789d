package nodeapi

import (
	"net/http"
	"time"

	"github.com/marina-cloud/marina/internal/fault"
)

// joinsAtOnce bounds how many joins are looked into at a time. Anybody may try, and
// each costs the database a question: those who try most wait for one another, and
// leave the database to the others.
const (
	joinsAtOnce = 8
	turnLimit   = 10 * time.Second
)

var errBusy = fault.New(fault.Exhausted, "busy", "Too many machines join at this moment. Try again in a few seconds.")

// turns lets few requests into next at a time; the others wait for their turn.
func turns(next http.HandlerFunc, few int) http.HandlerFunc {
	free := make(chan struct{}, few)
	return func(w http.ResponseWriter, r *http.Request) {
		limit := time.NewTimer(turnLimit)
		defer limit.Stop()
		select {
		case free <- struct{}{}:
			defer func() { <-free }()
			next(w, r)
		case <-limit.C:
			w.Header().Set("Retry-After", "5")
			refuse(w, errBusy)
		case <-r.Context().Done():
		}
	}
}
