package secret

import (
	"fmt"
	"os"
	"strings"
)

// FromFile reads a file that holds one line, which only its owner may read.
func FromFile(path string) (Text, error) {
	info, err := os.Stat(path)
	if err != nil {
		return "", fmt.Errorf("look at a file with a secret: %w", err)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return "", fmt.Errorf("%s has mode %04o, so that others can read it: chmod 0600 it", path, info.Mode().Perm())
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("read a file with a secret: %w", err)
	}
	secret := strings.TrimSpace(string(data))
	if secret == "" {
		return "", fmt.Errorf("%s is empty", path)
	}
	return Text(secret), nil
}
