package identity

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"

	"golang.org/x/crypto/argon2"
	"golang.org/x/sync/semaphore"
)

// Parameters of argon2id: the second recommendation of the OWASP Password
// Storage Cheat Sheet, 19 MiB and two passes, about 20 ms of one core.
const (
	argonMemory  = 19 * 1024 // KiB
	argonTime    = 2
	argonThreads = 1
	argonSalt    = 16
	argonKey     = 32
)

// Passwords hashes and checks passwords. It bounds how many are hashed at once,
// so that a flood of log-ins cannot take the machine's memory. The zero value is
// not usable; it is safe for concurrent use.
type Passwords struct{ slots *semaphore.Weighted }

// NewPasswords returns a hasher that works on up to n passwords at once.
func NewPasswords(n int64) *Passwords { return &Passwords{slots: semaphore.NewWeighted(n)} }

// Hash returns the password's hash in the PHC string format.
func (p *Passwords) Hash(ctx context.Context, password string) (string, error) {
	if err := p.slots.Acquire(ctx, 1); err != nil {
		return "", fmt.Errorf("wait for a turn to hash: %w", err)
	}
	defer p.slots.Release(1)
	salt := make([]byte, argonSalt)
	rand.Read(salt)
	key := argon2.IDKey([]byte(password), salt, argonTime, argonMemory, argonThreads, argonKey)
	enc := base64.RawStdEncoding
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, argonMemory, argonTime, argonThreads,
		enc.EncodeToString(salt), enc.EncodeToString(key)), nil
}

// Check reports whether the password is the one that was hashed. An empty hash
// takes as long as any other and never matches, so that the time of an answer
// does not tell whether an account exists.
func (p *Passwords) Check(ctx context.Context, password, hash string) (bool, error) {
	if err := p.slots.Acquire(ctx, 1); err != nil {
		return false, fmt.Errorf("wait for a turn to hash: %w", err)
	}
	defer p.slots.Release(1)
	if hash == "" {
		argon2.IDKey([]byte(password), make([]byte, argonSalt), argonTime, argonMemory, argonThreads, argonKey)
		return false, nil
	}
	var version int
	var memory, time uint32
	var threads uint8
	var rest string
	if _, err := fmt.Sscanf(hash, "$argon2id$v=%d$m=%d,t=%d,p=%d$%s", &version, &memory, &time, &threads, &rest); err != nil {
		return false, errors.New("password hash is malformed")
	}
	salt, want, ok := cutBase64(rest)
	if !ok || version != argon2.Version {
		return false, errors.New("password hash is malformed")
	}
	got := argon2.IDKey([]byte(password), salt, time, memory, threads, uint32(len(want)))
	return subtle.ConstantTimeCompare(got, want) == 1, nil
}

// cutBase64 decodes "salt$key".
func cutBase64(s string) (salt, key []byte, ok bool) {
	for i := range len(s) {
		if s[i] != '$' {
			continue
		}
		enc := base64.RawStdEncoding
		salt, err1 := enc.DecodeString(s[:i])
		key, err2 := enc.DecodeString(s[i+1:])
		return salt, key, err1 == nil && err2 == nil && len(key) > 0
	}
	return nil, nil, false
}
