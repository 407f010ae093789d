package identity

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"fmt"
	"hash/crc32"
	"strings"
)

// secretPrefix lets scanners of leaked secrets recognize ours.
const secretPrefix = "marina_"

var secretEncoding = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

// NewSecret returns a bearer token's secret: 160 random bits and a checksum that
// tells a mistyped token from an unknown one without asking the database.
func NewSecret() string {
	raw := make([]byte, 20)
	rand.Read(raw)
	return secretPrefix + secretEncoding.EncodeToString(raw) + checksum(raw)
}

// SecretHash returns what is kept of a secret. With 160 random bits a plain hash
// cannot be turned back, and it can be looked up. ok is false when the secret
// cannot be one of ours.
func SecretHash(secret string) (hash []byte, ok bool) {
	rest, ok := strings.CutPrefix(secret, secretPrefix)
	if !ok || len(rest) != 40 {
		return nil, false
	}
	raw, err := secretEncoding.DecodeString(rest[:32])
	if err != nil || checksum(raw) != rest[32:] {
		return nil, false
	}
	sum := sha256.Sum256([]byte(secret))
	return sum[:], true
}

func checksum(raw []byte) string { return fmt.Sprintf("%08x", crc32.ChecksumIEEE(raw)) }
