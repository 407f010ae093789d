package gateway

import (
	"context"
	"strings"
	"time"

	"github.com/marina-cloud/marina/gateway/identity"
	"github.com/marina-cloud/marina/gateway/internal/postgres"
	"github.com/marina-cloud/marina/gateway/letter"
)

// newLink returns the secret of a link in a mail, and what is kept of it.
func newLink(expires time.Time) (secret string, link postgres.Link) {
	secret = identity.NewSecret()
	hash, _ := identity.SecretHash(secret)
	return secret, postgres.Link{Hash: hash, ExpiresAt: expires}
}

// linkHash is what is kept of the secret of a link.
func linkHash(secret string) ([]byte, error) {
	hash, ok := identity.SecretHash(strings.TrimSpace(secret))
	if !ok {
		return nil, identity.ErrBadLink
	}
	return hash, nil
}

// throughLink takes the secret of a link in a mail, with the password that whoever has
// read it chose, and returns what is kept of either. good says whether the link is good,
// before a password is hashed for nothing.
func (s *server) throughLink(ctx context.Context, secret, password string, good func(link []byte) error) (link []byte, hash string, err error) {
	done, err := s.attempts.link(origin(ctx), s.now())
	if err != nil {
		return nil, "", err
	}
	found := false
	defer func() { done(found) }()
	if link, err = linkHash(secret); err != nil {
		return nil, "", err
	}
	if err := good(link); err != nil {
		return nil, "", err
	}
	found = true
	hash, err = s.passwords.Hash(ctx, password)
	return link, hash, err
}

// letters writes mails with links to this installation.
func (s *server) letters() letter.Writer { return letter.Writer{PublicURL: s.PublicURL} }

// seal makes mails to one address of letters of which one will be sent.
func (s *server) seal(ctx context.Context, to string, letters ...letter.Letter) ([]postgres.SealedMail, error) {
	mails := make([]postgres.SealedMail, len(letters))
	for i, l := range letters {
		var err error
		if mails[i], err = postgres.SealMail(ctx, s.Secrets, postgres.Mail{To: to, Letter: l}); err != nil {
			return nil, err
		}
	}
	return mails, nil
}
