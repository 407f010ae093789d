package live_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/marina-cloud/marina/gateway/live"
	"github.com/marina-cloud/marina/internal/event"
)

func woken(w *live.Watcher) bool {
	select {
	case <-w.Wake():
		return true
	default:
		return false
	}
}

func TestHub(t *testing.T) {
	var h live.Hub
	ours, stop := h.Watch("org-a")
	theirs, stopTheirs := h.Watch("org-b")
	defer stopTheirs()
	one, two := event.Event{ID: "1", Organization: "org-a"}, event.Event{ID: "2", Organization: "org-a"}
	h.Notify(one)
	h.Notify(two)
	if !woken(ours) || woken(ours) || woken(theirs) {
		t.Error("the watchers of an organization, and no others, are woken, once until they take")
	}
	got, missed := ours.Take()
	if diff := cmp.Diff([]event.Event{one, two}, got); diff != "" || missed {
		t.Errorf("took (- want, + got), missed %v\n%s", missed, diff)
	}
	if got, missed := ours.Take(); len(got) > 0 || missed {
		t.Errorf("took again: %v, %v", got, missed)
	}
	stop()
	h.Notify(one)
	if woken(ours) {
		t.Error("a watcher that stopped was woken")
	}
}

// TestSlowWatcher holds that a watcher that never takes holds up nobody, costs no
// memory, and is told that it missed something.
func TestSlowWatcher(t *testing.T) {
	var h live.Hub
	w, stop := h.Watch("org-a")
	defer stop()
	for range 100_000 {
		h.Notify(event.Event{Organization: "org-a"})
	}
	if got, missed := w.Take(); !missed || len(got) > 1000 {
		t.Errorf("%d events are kept, missed = %v", len(got), missed)
	}
	h.Notify(event.Event{Organization: "org-a"})
	if got, missed := w.Take(); missed || len(got) != 1 {
		t.Errorf("after that %d events, missed = %v; want one", len(got), missed)
	}
}

func TestClose(t *testing.T) {
	var h live.Hub
	before, stop := h.Watch("org-a")
	h.Close()
	h.Close()
	after, _ := h.Watch("org-a")
	for name, w := range map[string]*live.Watcher{"before": before, "after": after} {
		select {
		case <-w.Done():
		default:
			t.Errorf("the watcher from %s goes on", name)
		}
	}
	stop()
	h.Notify(event.Event{Organization: "org-a"})
}
