package mailer

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"net/mail"
	"path/filepath"
	"slices"
	"strings"
)

// Config says which server takes mails, and how to get in. The password is in a file,
// which is read again for every mail: a new one is taken without a restart.
type Config struct {
	Address      string // HOST:PORT; empty: mails stay in the mailbox of this installation
	From         string // such as "Marina <marina@example.com>"
	TLS          string // one of Ways
	CAFile       string // PEM of the authorities that the server's certificate may come from; empty: the machine's
	Username     string // empty: no log-in
	PasswordFile string
}

// Ways to keep a conversation with a server secret.
const (
	StartTLS = "starttls" // begun in the clear, as on port 587; refused where the server offers no TLS
	TLS      = "tls"      // from the first byte, as on port 465
	Plain    = "none"
)

// Ways returns all of them, the default first.
func Ways() []string { return []string{StartTLS, TLS, Plain} }

// Enabled reports whether a server is named.
func (c Config) Enabled() bool { return c.Address != "" }

// Validate returns everything that is wrong with the configuration. Fields are named
// as the flags of `marina serve`.
func (c Config) Validate() error {
	var wrong []error
	say := func(format string, args ...any) { wrong = append(wrong, fmt.Errorf(format, args...)) }
	if !c.Enabled() {
		for flag, value := range map[string]string{"from": c.From, "ca-file": c.CAFile, "username": c.Username, "password-file": c.PasswordFile} {
			if value != "" {
				say("--smtp-%s says nothing without --smtp-address", flag)
			}
		}
		return errors.Join(wrong...)
	}
	if host, port, err := net.SplitHostPort(c.Address); err != nil || host == "" || port == "" {
		say("--smtp-address is %q: write it like mail.example.com:587", c.Address)
	}
	if _, err := mail.ParseAddress(c.From); err != nil {
		say("--smtp-from is %q: write it like marina@example.com, or \"Marina <marina@example.com>\"", c.From)
	}
	if !slices.Contains(Ways(), c.way()) {
		say("--smtp-tls is %q: say %s", c.TLS, strings.Join(Ways(), ", "))
	}
	if (c.Username == "") != (c.PasswordFile == "") {
		say("a log-in needs both --smtp-username and --smtp-password-file")
	}
	if c.Username != "" && c.way() == Plain {
		say("--smtp-tls=none would show the password to whoever listens: leave out --smtp-username, or use TLS")
	}
	return errors.Join(wrong...)
}

// Absolute returns the configuration with paths that mean the same in every working
// directory.
func (c Config) Absolute() (Config, error) {
	for _, path := range []*string{&c.CAFile, &c.PasswordFile} {
		if *path == "" {
			continue
		}
		abs, err := filepath.Abs(*path)
		if err != nil {
			return c, fmt.Errorf("find %s: %w", *path, err)
		}
		*path = abs
	}
	return c, nil
}

func (c Config) way() string { return cmp.Or(c.TLS, StartTLS) }
