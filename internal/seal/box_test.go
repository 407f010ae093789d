package seal

import (
	"bytes"
	"crypto/sha3"
	"encoding/hex"
	"errors"
	"testing"

	"pgregory.net/rapid"
)

func sealWith(key, nonce, plaintext, additional []byte) []byte {
	return newBox([keySize]byte(key)).aead(nonce[:12]).Seal(nil, nonce[12:], plaintext, additional)
}

// TestXAES checks the test vectors of https://c2sp.org/XAES-256-GCM.
func TestXAES(t *testing.T) {
	t.Parallel()
	nonce := []byte("ABCDEFGHIJKLMNOPQRSTUVWX")
	for _, tc := range []struct {
		key              byte
		additional, want string
	}{
		{1, "", "ce546ef63c9cc60765923609b33a9a1974e96e52daf2fcf7075e2271"},
		{3, "c2sp.org/XAES-256-GCM", "986ec1832593df5443a179437fd083bf3fdb41abd740a21f71eb769d"},
	} {
		got := sealWith(bytes.Repeat([]byte{tc.key}, keySize), nonce, []byte("XAES-256-GCM"), []byte(tc.additional))
		if hex.EncodeToString(got) != tc.want {
			t.Errorf("key %d: %x, want %s", tc.key, got, tc.want)
		}
	}
}

// TestXAESAccumulated checks the vector over 10,000 messages, which covers both
// cases of the subkey.
func TestXAESAccumulated(t *testing.T) {
	t.Parallel()
	s, d := sha3.NewSHAKE128(), sha3.NewSHAKE128()
	next := func(n int) []byte {
		b := make([]byte, n)
		_, _ = s.Read(b) // never fails
		return b
	}
	for range 10_000 {
		key, nonce := next(keySize), next(nonceSize)
		plaintext := next(int(next(1)[0]))
		additional := next(int(next(1)[0]))
		_, _ = d.Write(sealWith(key, nonce, plaintext, additional)) // never fails
	}
	sum := make([]byte, 32)
	_, _ = d.Read(sum)
	if got := hex.EncodeToString(sum); got != "e6b9edf2df6cec60c8cbd864e2211b597fb69a529160cd040d56c0c210081939" {
		t.Errorf("sum = %s", got)
	}
}

func drawKey(t *rapid.T, label string) [keySize]byte {
	return [keySize]byte(rapid.SliceOfN(rapid.Byte(), keySize, keySize).Draw(t, label))
}

func TestBoxProperties(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		key := drawKey(t, "key")
		plaintext := rapid.SliceOf(rapid.Byte()).Draw(t, "plaintext")
		additional := rapid.SliceOf(rapid.Byte()).Draw(t, "additional")
		sealed := newBox(key).seal(nil, plaintext, additional)

		got, err := newBox(key).open(sealed, additional)
		if err != nil || !bytes.Equal(got, plaintext) {
			t.Fatalf("open = %x, %v; want what was sealed", got, err)
		}
		flipped := bytes.Clone(sealed)
		bit := rapid.IntRange(0, 8*len(sealed)-1).Draw(t, "bit")
		flipped[bit/8] ^= 1 << (bit % 8)
		if _, err := newBox(key).open(flipped, additional); !errors.Is(err, ErrRefused) {
			t.Fatalf("open with bit %d flipped: %v, want ErrRefused", bit, err)
		}
		if other := drawKey(t, "other key"); other != key {
			if _, err := newBox(other).open(sealed, additional); !errors.Is(err, ErrRefused) {
				t.Fatalf("open with another key: %v, want ErrRefused", err)
			}
		}
		if _, err := newBox(key).open(sealed, append(bytes.Clone(additional), 0)); !errors.Is(err, ErrRefused) {
			t.Fatalf("open with other additional data: %v, want ErrRefused", err)
		}
	})
}

func TestFormatProperties(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		version := rapid.IntRange(1, 1<<31-1).Draw(t, "version")
		body := rapid.SliceOf(rapid.Byte()).Draw(t, "body")
		v, b, err := split(append(header(version), body...))
		if err != nil || v != version || !bytes.Equal(b, body) {
			t.Fatalf("split = %d, %x, %v; want %d, %x", v, b, err, version, body)
		}
	})
	rapid.Check(t, func(t *rapid.T) {
		k1, k2 := rapid.String().Draw(t, "k1"), rapid.String().Draw(t, "k2")
		a1, a2 := rapid.SliceOf(rapid.Byte()).Draw(t, "a1"), rapid.SliceOf(rapid.Byte()).Draw(t, "a2")
		same := k1 == k2 && bytes.Equal(a1, a2)
		if bytes.Equal(bound(1, k1, a1), bound(1, k2, a2)) != same {
			t.Fatalf("%q with %x and %q with %x are bound alike", k1, a1, k2, a2)
		}
	})
}

func TestSplitRefuses(t *testing.T) {
	t.Parallel()
	for _, sealed := range []string{"", "marina:v1:", "marina:v2:1:x", "marina:v1:0:x", "marina:v1:01:x", "marina:v1:+1:x", "marina:v1:-1:x", "marina:v1:x:", "marina:v1:99999999999:x", "vault:v1:abc"} {
		if v, _, err := split([]byte(sealed)); !errors.Is(err, ErrRefused) {
			t.Errorf("split(%q) = version %d, %v; want ErrRefused", sealed, v, err)
		}
	}
	if v, err := Version([]byte("marina:v1:12:…")); err != nil || v != "12" {
		t.Errorf("Version = %q, %v; want 12", v, err)
	}
}
