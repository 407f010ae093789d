package cli

import (
	"context"
	"crypto/rand"
	"encoding/base32"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"

	"github.com/marina-cloud/marina/deploy/accounts"
	"github.com/marina-cloud/marina/deploy/client"
	"github.com/marina-cloud/marina/internal/home"
	"github.com/marina-cloud/marina/internal/rootsocket"
)

// adminEmail is the first account of an installation.
const adminEmail = "admin@marina.local"

// account is who `up` acts as.
type account struct {
	client       *client.Client
	email        string
	passwordFile string // empty when the account was not made by up
}

// ensureAccount logs in: as whoever is logged in to this installation already, or
// as the first account, which it makes.
func (e *env) ensureAccount(ctx context.Context, h home.Home, api string) (account, error) {
	file := h.Path("admin-password")
	if l, err := e.readLogin(); err == nil && l.Server == api {
		c := &client.Client{Server: api, Token: l.Token}
		s, err := c.Account(ctx)
		if err == nil {
			a := account{client: c, email: s.Email}
			if s.Email == adminEmail {
				a.passwordFile = file
			}
			return a, nil
		}
		if p, ok := errors.AsType[*client.Problem](err); !ok || p.Status != 401 {
			return account{}, err
		}
	}
	step := e.steps.Begin("Making the first account")
	s, err := e.firstAccount(ctx, h, file, api)
	if err == nil {
		err = e.writeLogin(login{Server: api, Token: s.Token.Secret, Email: s.Email})
	}
	if err != nil {
		step.Failed()
		return account{}, err
	}
	step.Done("Logged in as %s", s.Email)
	return account{client: &client.Client{Server: api, Token: s.Token.Secret}, email: s.Email, passwordFile: file}, nil
}

// firstAccount makes an operator's account with a random password, which it writes down
// first: an account whose password is lost would be of no use.
func (e *env) firstAccount(ctx context.Context, h home.Home, file, api string) (client.Session, error) {
	data, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		raw := make([]byte, 15)
		rand.Read(raw)
		data = []byte(strings.ToLower(base32.StdEncoding.EncodeToString(raw)) + "\n")
		err = writeSecret(file, data)
	}
	if err != nil {
		return client.Session{}, fmt.Errorf("keep the first account's password: %w", err)
	}
	password := strings.TrimSpace(string(data))
	if err := addOperator(ctx, h, accounts.Operator{Email: adminEmail, Password: password, Organization: "Marina"}); err != nil {
		return client.Session{}, fmt.Errorf("make the first account: %w", err)
	}
	s, err := (&client.Client{Server: api}).LogIn(ctx, adminEmail, password, "")
	if client.IsCode(err, "bad_credentials") {
		err = fmt.Errorf("%s does not hold the password of %s (%w): log in with `%s login`, then try again", file, adminEmail, err, e.marina())
	}
	if client.IsCode(err, "second_factor_needed") {
		err = fmt.Errorf("%s has a second factor: log in with `%s login`, then try again", adminEmail, e.marina())
	}
	return s, err
}

// addOperator asks the server, which answers by now, but perhaps not yet at every
// socket of its own.
func addOperator(ctx context.Context, h home.Home, o accounts.Operator) error {
	for tries := 0; ; tries++ {
		_, err := accounts.Client{Socket: h.Accounts()}.Add(ctx, o)
		if !errors.Is(err, rootsocket.ErrNotRunning) || tries == 50 {
			return err
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(100 * time.Millisecond):
		}
	}
}
