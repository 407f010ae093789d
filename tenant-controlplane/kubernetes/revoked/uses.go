package revoked

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"k8s.io/klog/v2"
)

// UsesFile is what Uses writes: a JSON object from ids of credentials to the minute, in
// seconds since 1970, in which each was used last.
const UsesFile = "uses.json"

const (
	usesDelay  = time.Second // so that many first uses are written together
	usesKept   = time.Hour   // then somebody has read it
	usesAtMost = 10_000      // credentials; others are not noted
)

// Uses notes when certificates of people and programs were used last, to the minute.
// It is safe for concurrent use.
type Uses struct {
	dir string
	now func() time.Time

	mu      sync.Mutex
	last    map[string]int64
	pending bool // a write is about to happen
}

// UsesIn returns what notes uses in a directory; nil, which notes nothing, without one.
func UsesIn(dir string) *Uses {
	if dir == "" {
		return nil
	}
	return &Uses{dir: dir, now: time.Now, last: map[string]int64{}}
}

// note is called for each request: a minute's first one costs a write, others nothing.
// Kubernetes' own certificates and Marina's are nobody's to revoke.
func (u *Uses) note(credentialID, name string) {
	if u == nil || !strings.HasPrefix(credentialID, "X509") || strings.HasPrefix(name, "system:") || strings.HasPrefix(name, "marina:") {
		return
	}
	minute := u.now().Truncate(time.Minute).Unix()
	u.mu.Lock()
	defer u.mu.Unlock()
	before, known := u.last[credentialID]
	if before == minute || !known && len(u.last) >= usesAtMost {
		return
	}
	u.last[credentialID] = minute
	if !u.pending {
		u.pending = true
		time.AfterFunc(usesDelay, u.write)
	}
}

// write writes the file. What fails is tried again in the next minute.
func (u *Uses) write() {
	u.mu.Lock()
	u.pending = false
	old := u.now().Add(-usesKept).Unix()
	maps.DeleteFunc(u.last, func(_ string, at int64) bool { return at < old })
	data, err := json.Marshal(u.last)
	u.mu.Unlock()
	if err == nil {
		err = replace(filepath.Join(u.dir, UsesFile), data)
	}
	if err != nil {
		klog.ErrorS(err, "The use of credentials is not noted")
	}
}

func replace(path string, data []byte) error {
	if err := os.WriteFile(path+".new", data, 0o600); err != nil {
		return fmt.Errorf("write uses of credentials: %w", err)
	}
	return os.Rename(path+".new", path)
}
