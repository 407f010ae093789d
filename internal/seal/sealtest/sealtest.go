// Package sealtest is the contract of seal.Store as a test, which every store
// must pass.
package sealtest

import (
	"bytes"
	"errors"
	"sync"
	"testing"

	"github.com/marina-cloud/marina/internal/seal"
)

// Run tests the store that open returns. Each call of open returns another
// instance of the same store, as another process would have it.
func Run(t *testing.T, open func(t *testing.T) seal.Store) {
	ctx := t.Context()
	must := func(data []byte, err error) []byte {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	secret, purpose := []byte("attack at dawn"), []byte("orders")

	t.Run("OpensWhatItSealed", func(t *testing.T) {
		s := open(t)
		for _, plain := range [][]byte{secret, nil, make([]byte, 100_000)} {
			sealed := must(s.Seal(ctx, "round", plain, purpose))
			if got := must(s.Open(ctx, "round", sealed, purpose)); !bytes.Equal(got, plain) {
				t.Errorf("Open = %.20q, want what was sealed, %.20q", got, plain)
			}
			if len(plain) > 0 && bytes.Contains(sealed, plain) {
				t.Error("the plaintext lies open in what was sealed")
			}
			if got := must(open(t).Open(ctx, "round", sealed, purpose)); !bytes.Equal(got, plain) {
				t.Errorf("another process opened %.20q, want %.20q", got, plain)
			}
		}
	})

	t.Run("NeverTheSameTwice", func(t *testing.T) {
		s := open(t)
		if bytes.Equal(must(s.Seal(ctx, "twice", secret, nil)), must(s.Seal(ctx, "twice", secret, nil))) {
			t.Error("two seals of the same secret are equal: that tells that the secrets are")
		}
	})

	t.Run("RefusesWhatIsNotItsOwn", func(t *testing.T) {
		s := open(t)
		sealed := must(s.Seal(ctx, "mine", secret, purpose))
		must(s.Seal(ctx, "other", secret, purpose)) // so that the key exists
		short := sealed[:len(sealed)-1]
		for name, try := range map[string]struct {
			key                string
			sealed, additional []byte
		}{
			"OtherKey":     {"other", sealed, purpose},
			"OtherPurpose": {"mine", sealed, []byte("rumours")},
			"NoPurpose":    {"mine", sealed, nil},
			"Shortened":    {"mine", short, purpose},
			"Lengthened":   {"mine", append(bytes.Clone(sealed), 0), purpose},
			"Nothing":      {"mine", nil, purpose},
			"Plain":        {"mine", secret, purpose},
		} {
			if got, err := s.Open(ctx, try.key, try.sealed, try.additional); !errors.Is(err, seal.ErrRefused) {
				t.Errorf("%s: Open = %q, %v; want ErrRefused", name, got, err)
			}
		}
		for i := range sealed {
			altered := bytes.Clone(sealed)
			altered[i] ^= 1
			if got, err := s.Open(ctx, "mine", altered, purpose); !errors.Is(err, seal.ErrRefused) {
				t.Fatalf("byte %d altered: Open = %q, %v; want ErrRefused", i, got, err)
			}
		}
	})

	t.Run("DestroyShreds", func(t *testing.T) {
		s := open(t)
		sealed := must(s.Seal(ctx, "gone", secret, purpose))
		kept := must(s.Seal(ctx, "kept", secret, purpose))
		for range 2 {
			if err := s.Destroy(ctx, "gone"); err != nil {
				t.Fatalf("Destroy: %v, want it done, also the second time", err)
			}
		}
		for _, s := range []seal.Store{s, open(t)} {
			if got, err := s.Open(ctx, "gone", sealed, purpose); !errors.Is(err, seal.ErrNoKey) {
				t.Errorf("Open = %q, %v; want ErrNoKey", got, err)
			}
		}
		must(s.Seal(ctx, "gone", secret, purpose)) // a new key of the same name
		if got, err := s.Open(ctx, "gone", sealed, purpose); !errors.Is(err, seal.ErrRefused) {
			t.Errorf("Open = %q, %v; want ErrRefused by the new key", got, err)
		}
		must(s.Open(ctx, "kept", kept, purpose))
	})

	t.Run("FirstUseByMany", func(t *testing.T) {
		stores := []seal.Store{open(t), open(t), open(t)}
		sealed := make([][]byte, 12)
		var all sync.WaitGroup
		for i := range sealed {
			all.Go(func() {
				var err error
				if sealed[i], err = stores[i%len(stores)].Seal(ctx, "crowd", secret, purpose); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		for i := range sealed {
			if got := must(stores[(i+1)%len(stores)].Open(ctx, "crowd", sealed[i], purpose)); !bytes.Equal(got, secret) {
				t.Errorf("Open = %q: two processes made different keys", got)
			}
		}
	})
}
