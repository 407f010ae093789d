package backup

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"

	"filippo.io/age"

	"github.com/marina-cloud/marina/internal/home"
)

// RecipientsFile is where a home remembers for whom its backups are encrypted: one
// public key a line, as age has it.
func RecipientsFile(h home.Home) string { return h.Path("backup-recipients") }

// NewIdentity makes a key pair. The secret goes into a new file that only its
// owner can read; the public key is returned.
func NewIdentity(file string, now time.Time) (recipient string, err error) {
	id, err := age.GenerateX25519Identity()
	if err != nil {
		return "", fmt.Errorf("make a key: %w", err)
	}
	f, err := os.OpenFile(file, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return "", fmt.Errorf("%s exists already, and may be what opens your backups: name another file", file)
	}
	if err != nil {
		return "", fmt.Errorf("write the identity: %w", err)
	}
	_, err = fmt.Fprintf(f, "# opens backups of Marina; made %s\n# public key: %s\n%s\n", now.UTC().Format(time.RFC3339), id.Recipient(), id)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return "", fmt.Errorf("write the identity: %w", err)
	}
	return id.Recipient().String(), nil
}

// Remember adds a recipient to those of a home, unless it is there.
func Remember(h home.Home, recipient string) error {
	file := RecipientsFile(h)
	data, err := os.ReadFile(file)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("read recipients: %w", err)
	}
	for line := range strings.Lines(string(data)) {
		if strings.TrimSpace(line) == recipient {
			return nil
		}
	}
	if len(data) > 0 && !bytes.HasSuffix(data, []byte("\n")) {
		data = append(data, '\n')
	}
	next := file + ".next"
	err = os.WriteFile(next, append(data, recipient+"\n"...), 0o600)
	if err == nil {
		err = os.Rename(next, file)
	}
	if err != nil {
		return fmt.Errorf("remember the recipient: %w", err)
	}
	return nil
}

// ErrNoRecipient says that it is not known for whom to encrypt.
var ErrNoRecipient = errors.New("it is not said who will be able to open the backup")

// Recipients reads public keys: those given, those in a file, or else those that
// the home remembers. ErrNoRecipient says that there are none.
func Recipients(h home.Home, given []string, file string) ([]age.Recipient, error) {
	text := strings.Join(given, "\n")
	if file == "" && text == "" {
		file = RecipientsFile(h)
	}
	if file != "" {
		data, err := os.ReadFile(file)
		if errors.Is(err, fs.ErrNotExist) && file == RecipientsFile(h) {
			return nil, ErrNoRecipient
		}
		if err != nil {
			return nil, fmt.Errorf("read recipients: %w", err)
		}
		text += "\n" + string(data)
	}
	recipients, err := age.ParseRecipients(strings.NewReader(text))
	if err != nil {
		return nil, fmt.Errorf("read recipients: %w", err)
	}
	return recipients, nil
}

// Identities reads the secret keys in a file.
func Identities(file string) ([]age.Identity, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, fmt.Errorf("read the identity: %w", err)
	}
	defer f.Close()
	identities, err := age.ParseIdentities(f)
	if err != nil {
		return nil, fmt.Errorf("read the identity in %s: %w", file, err)
	}
	return identities, nil
}
