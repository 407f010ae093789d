// Package audit bounds the audit log of a cluster. What is beyond the rate is not
// written but counted, and the log itself says how much is missing: a gap that
// nobody knows of would be worse than the flood.
package audit

import (
	"fmt"
	"strconv"
	"sync"
	"time"

	"golang.org/x/time/rate"
	authentication "k8s.io/api/authentication/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/uuid"
	audit "k8s.io/apiserver/pkg/apis/audit"
	backend "k8s.io/apiserver/pkg/audit"

	"github.com/marina-cloud/marina/tenant-controlplane/kubernetes/config"
)

// What the event that stands for missing ones looks like.
const (
	// Author is its user name.
	Author = "marina:audit"
	// DroppedAnnotation says how many are missing.
	DroppedAnnotation = "audit.marina.cloud/dropped"
)

const (
	burst   = 10          // seconds' worth of events that may come at once
	tellOff = time.Second // how soon, and how often at most, the log tells of missing events
)

// Limited passes events on to another backend, up to a rate. It is safe for
// concurrent use.
type Limited struct {
	backend.Backend

	reads, writes bucket
	now           func() time.Time

	mu      sync.Mutex
	missing missing
	told    *time.Timer
	closed  bool
}

// missing are events that were not passed on since the log was told last.
type missing struct {
	events int
	since  time.Time
}

// Limit bounds what b is given.
func Limit(b backend.Backend, l config.Audit) *Limited {
	return &Limited{Backend: b, reads: newBucket(l), writes: newBucket(l), now: time.Now}
}

// ProcessEvents implements backend.Sink.
func (l *Limited) ProcessEvents(events ...*audit.Event) bool {
	ok := true
	for _, e := range events {
		e = trim(e)
		b := &l.reads
		if writes(e.Verb) {
			b = &l.writes
		}
		if b.take(l.now(), size(e)) {
			ok = l.Backend.ProcessEvents(e) && ok
		} else {
			l.miss()
		}
	}
	return ok
}

// miss counts an event, and sees to it that the log will tell.
func (l *Limited) miss() {
	dropped.Inc()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.missing.events++; l.missing.events > 1 || l.closed {
		return
	}
	l.missing.since = l.now()
	l.told = time.AfterFunc(tellOff, l.tell)
}

// tell writes into the log how many events are missing.
func (l *Limited) tell() {
	l.mu.Lock()
	m := l.missing
	l.missing = missing{}
	l.mu.Unlock()
	if m.events > 0 {
		l.Backend.ProcessEvents(m.event(l.now()))
	}
}

// Shutdown implements backend.Backend.
func (l *Limited) Shutdown() {
	l.mu.Lock()
	l.closed = true
	if l.told != nil {
		l.told.Stop()
	}
	l.mu.Unlock()
	l.tell()
	l.Backend.Shutdown()
}

// String implements backend.Backend.
func (l *Limited) String() string { return "limited<" + l.Backend.String() + ">" }

func (m missing) event(now time.Time) *audit.Event {
	return &audit.Event{
		Level: audit.LevelMetadata, AuditID: uuid.NewUUID(), Stage: audit.StageResponseComplete,
		Verb: "drop", User: authentication.UserInfo{Username: Author},
		ResponseStatus: &metav1.Status{
			Status:  metav1.StatusFailure,
			Message: fmt.Sprintf("%d events dropped: the cluster did more than its audit log may take.", m.events),
		},
		RequestReceivedTimestamp: metav1.NewMicroTime(m.since), StageTimestamp: metav1.NewMicroTime(now),
		Annotations: map[string]string{DroppedAnnotation: strconv.Itoa(m.events)},
	}
}

func writes(verb string) bool {
	switch verb {
	case "get", "list", "watch", "head", "options":
		return false
	}
	return true
}

// bucket is what may still be written.
type bucket struct{ events, bytes *rate.Limiter }

func newBucket(l config.Audit) bucket {
	return bucket{
		events: rate.NewLimiter(rate.Limit(l.EventsPerSecond), burst*l.EventsPerSecond),
		bytes:  rate.NewLimiter(rate.Limit(l.BytesPerSecond), burst*l.BytesPerSecond),
	}
}

func (b bucket) take(now time.Time, bytes int) bool {
	return b.events.AllowN(now, 1) && b.bytes.AllowN(now, bytes)
}
