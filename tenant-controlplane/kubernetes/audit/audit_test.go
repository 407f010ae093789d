package audit

import (
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	authentication "k8s.io/api/authentication/v1"
	"k8s.io/apimachinery/pkg/runtime"
	audit "k8s.io/apiserver/pkg/apis/audit"

	"github.com/marina-cloud/marina/tenant-controlplane/kubernetes/config"
)

// sink keeps what it is given.
type sink struct {
	mu     sync.Mutex
	events []*audit.Event
}

func (s *sink) ProcessEvents(events ...*audit.Event) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.events = append(s.events, events...)
	return true
}
func (s *sink) Run(<-chan struct{}) error { return nil }
func (s *sink) Shutdown()                 {}
func (s *sink) String() string            { return "sink" }

// count returns how many events passed with this verb, and how many the sink was
// told are missing.
func (s *sink) count(t *testing.T, verb string) (passed, missing int) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range s.events {
		if e.Verb == verb {
			passed++
		}
		if n, ok := e.Annotations[DroppedAnnotation]; ok {
			i, err := strconv.Atoi(n)
			if err != nil || !strings.Contains(e.ResponseStatus.Message, n+" events dropped") {
				t.Errorf("the log says %+v", e)
			}
			missing += i
		}
	}
	return passed, missing
}

func TestFlood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &sink{}
		l := Limit(s, config.Audit{EventsPerSecond: 10, BytesPerSecond: 1 << 20})
		for range 1000 {
			l.ProcessEvents(&audit.Event{Verb: "list"})
		}
		if passed, _ := s.count(t, "list"); passed != 100 {
			t.Errorf("%d of 1000 at once passed, want ten seconds' worth", passed)
		}
		l.ProcessEvents(&audit.Event{Verb: "delete"})
		if passed, _ := s.count(t, "delete"); passed != 1 {
			t.Error("a write was hidden by a flood of reads")
		}
		time.Sleep(2 * tellOff)
		if passed, missing := s.count(t, "list"); missing != 900 {
			t.Errorf("the log has %d events and says that %d are missing, of 1000", passed, missing)
		}
		for range 50 {
			l.ProcessEvents(&audit.Event{Verb: "list"})
		}
		l.Shutdown()
		if passed, missing := s.count(t, "list"); passed+missing != 1050 || passed != 120 {
			t.Errorf("in the end, the log has %d events and says that %d are missing; want 120, and all others", passed, missing)
		}
	})
}

func TestBytes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &sink{}
		l := Limit(s, config.Audit{EventsPerSecond: 1000, BytesPerSecond: 1000})
		for range 100 {
			l.ProcessEvents(&audit.Event{Verb: "get", RequestURI: strings.Repeat("x", 1300)})
		}
		if passed, _ := s.count(t, "get"); passed != 5 {
			t.Errorf("%d events of 2000 bytes passed, want 5: ten seconds' worth of bytes", passed)
		}
		l.Shutdown()
	})
}

func TestTrim(t *testing.T) {
	long := strings.Repeat("ü", 100_000)
	e := &audit.Event{
		RequestURI: "/" + long, UserAgent: long, RequestObject: &runtime.Unknown{Raw: []byte(long)},
		Annotations: map[string]string{"a": long},
	}
	c := trim(e)
	if n := size(c); n > 3*maxText+frame {
		t.Errorf("a trimmed event takes %d bytes", n)
	}
	if c.RequestObject != nil || c.Annotations["a"] != "" || !strings.HasPrefix(c.RequestURI, "/ü") || !strings.HasSuffix(c.RequestURI, "…") {
		t.Errorf("trimmed: %+v", c)
	}
	if e.RequestObject == nil || len(e.UserAgent) != len(long) {
		t.Error("the server's own event was changed")
	}
	if short := (&audit.Event{RequestURI: "/api"}); trim(short) != short {
		t.Error("a short event was copied")
	}
}

// A header of a megabyte (X-Forwarded-For, Impersonate-Extra-…) is the client's
// choice, also of one that is not let in.
func TestHeadersCount(t *testing.T) {
	const many = 100_000
	forwarded := append(slices.Repeat([]string{"192.0.2.1"}, many), "198.51.100.7")
	whole := &audit.Event{SourceIPs: forwarded}
	c := trim(whole)
	if len(c.SourceIPs) > maxSources || c.SourceIPs[len(c.SourceIPs)-1] != "198.51.100.7" {
		t.Errorf("%d addresses are kept, the last is %s: want a few, and who really sent it", len(c.SourceIPs), c.SourceIPs[len(c.SourceIPs)-1])
	}
	if len(whole.SourceIPs) != many+1 {
		t.Error("the server's own event was changed")
	}
	for name, e := range map[string]*audit.Event{
		"addresses":        c,
		"impersonated":     {ImpersonatedUser: &authentication.UserInfo{Username: strings.Repeat("x", 150)}},
		"their groups":     {ImpersonatedUser: &authentication.UserInfo{Groups: slices.Repeat([]string{"g"}, 50)}},
		"their attributes": {ImpersonatedUser: &authentication.UserInfo{Extra: map[string]authentication.ExtraValue{"k": {strings.Repeat("x", 150)}}}},
	} {
		if n := size(e); n < frame+50 {
			t.Errorf("%s are not counted: %d bytes", name, n)
		}
	}
}
