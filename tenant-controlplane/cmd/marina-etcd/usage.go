package main

import (
	"context"
	"encoding/json"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"go.etcd.io/etcd/server/v3/etcdserver"
	"go.etcd.io/etcd/server/v3/storage/mvcc"
)

// usagePath is where, on the socket for clients, etcd tells how full it is.
const usagePath = "/marina/usage"

// usage is the answer.
type usage struct {
	Size  int64 `json:"size"`  // of the database's file, bytes
	Used  int64 `json:"used"`  // of that, what is not free, bytes
	Quota int64 `json:"quota"` // of Size, bytes
	Keys  int   `json:"keys"`  // objects; a second old at most, in a large database a few
	Full  bool  `json:"full"`  // nothing can be written
}

// usageHandler answers once it has a server: etcd takes its handlers before it is
// one.
type usageHandler struct {
	server atomic.Pointer[etcdserver.EtcdServer]
	quota  int64
	count  *count
}

func (h *usageHandler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s := h.server.Load()
	if s == nil {
		http.Error(w, "etcd is starting", http.StatusServiceUnavailable)
		return
	}
	be := s.Backend()
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(usage{ // whom the error would be for is gone
		Size: be.Size(), Used: be.SizeInUse(), Quota: h.quota,
		Keys: h.count.get(r.Context(), s.KV()), Full: isFull(s),
	})
}

// count counts the keys that API servers keep, which takes etcd a walk through all
// of its index: hence not more often than is worth it.
type count struct {
	mu    sync.Mutex
	keys  int
	valid time.Time
}

// What API servers keep, and nothing of etcd's or their own bookkeeping.
var firstKey, afterKeys = []byte("/registry/"), []byte("/registry0")

const (
	countRest = time.Second
	countCost = 50 // times as long as it took, it is not repeated
)

func (c *count) get(ctx context.Context, kv mvcc.KV) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	began := time.Now()
	if began.Before(c.valid) {
		return c.keys
	}
	r, err := kv.Range(ctx, firstKey, afterKeys, mvcc.RangeOptions{CountOnly: true})
	if err != nil {
		return c.keys // it was interrupted
	}
	c.keys, c.valid = r.Count, time.Now().Add(max(countRest, countCost*time.Since(began)))
	return c.keys
}
