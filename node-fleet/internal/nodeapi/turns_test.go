package nodeapi

import (
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"
)

// TestJoinsWaitForTheirTurn: however many try to join, few questions are asked at a
// time, and everybody's turn comes.
func TestJoinsWaitForTheirTurn(t *testing.T) {
	t.Parallel()
	const few, many = 3, 20
	entered, release := make(chan struct{}, many), make(chan struct{})
	h := turns(func(w http.ResponseWriter, _ *http.Request) {
		entered <- struct{}{}
		<-release
		w.WriteHeader(http.StatusForbidden)
	}, few)
	var all sync.WaitGroup
	for range many {
		all.Go(func() {
			w := httptest.NewRecorder()
			h(w, httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/v1/join", nil))
			if w.Code != http.StatusForbidden {
				t.Errorf("answered %d; want that everybody's turn comes", w.Code)
			}
		})
	}
	for range few {
		<-entered
	}
	select {
	case <-entered:
		t.Errorf("more than %d joins are looked into at a time", few)
	case <-time.After(50 * time.Millisecond):
	}
	close(release)
	all.Wait()
}
