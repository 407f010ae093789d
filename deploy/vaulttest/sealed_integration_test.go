//go:build integration

package vaulttest_test

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/marina-cloud/marina/deploy/vaulttest"
	"github.com/marina-cloud/marina/internal/seal"
	"github.com/marina-cloud/marina/migrations/pgtest"
)

// testSealed seals Vault, kills it and starts it again: what is in memory goes on,
// the rest waits and works again by itself, and nothing is lost.
func testSealed(t *testing.T, s *vaulttest.Server) {
	db, master := pgtest.New(t), filepath.Join(t.TempDir(), "none")
	cfg := s.AppRole("sealed", time.Hour, time.Hour)
	v := connect(t, cfg)
	keep(t, v.Keep)
	warm := open(t, db, master, v)
	held := sealSome(t, warm, 3, "held")
	eventually(t, "Vault is well", func() bool { return v.State().OK })

	for _, outage := range []struct {
		name       string
		begin, end func()
		says       string
	}{
		{"Sealed", s.Seal, s.Unseal, "unseal it"},
		{"Unreachable", s.Kill, func() { s.Start(); s.Unseal() }, "cannot be reached"},
		{"ComesBackSealed", s.Kill, func() {
			s.Start()
			eventually(t, "the state says that it is sealed", func() bool { return strings.Contains(v.State().Message, "unseal it") })
			s.Unseal()
		}, "cannot be reached"},
	} {
		t.Run(outage.name, func(t *testing.T) {
			outage.begin()
			eventually(t, "the state says it", func() bool { return !v.State().OK && strings.Contains(v.State().Message, outage.says) })
			opensAll(t, warm, held)
			sealSome(t, warm, 3, "held")
			if err := warm.Rotate(t.Context(), "held-0000"); !errors.Is(err, seal.ErrAway) {
				t.Errorf("Rotate = %v, want ErrAway", err)
			}
			if _, err := warm.Seal(t.Context(), "new", nil, nil); !errors.Is(err, seal.ErrAway) {
				t.Errorf("Seal under a new key = %v, want ErrAway", err)
			}
			// A process that starts now starts, and opens nothing yet.
			late := connect(t, cfg)
			keep(t, late.Keep)
			cold := open(t, db, master, late)
			if _, err := cold.Open(t.Context(), "held-0001", held["held-0001"], []byte("purpose")); !errors.Is(err, seal.ErrAway) {
				t.Errorf("Open in a new process = %v, want ErrAway", err)
			}
			if err := cold.Destroy(t.Context(), "nothing"); err != nil {
				t.Errorf("Destroy = %v: it needs no master", err)
			}
			outage.end()
			eventually(t, "the new process works", func() bool {
				_, err := cold.Open(t.Context(), "held-0001", held["held-0001"], []byte("purpose"))
				return err == nil
			})
			eventually(t, "both states say so", func() bool { return v.State().OK && late.State().OK && v.State().Message == "" })
			opensAll(t, cold, held)
		})
	}
	if n := count(t, db, "SELECT count(*) FROM keystore_keys"); n != 3 {
		t.Errorf("there are %d data keys, want 3: a refused one was stored", n)
	}
}
