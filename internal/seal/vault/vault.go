// Package vault is HashiCorp Vault as the master of the secret store: its transit
// engine wraps data keys, and never shows the key by which it does.
//
// Vault may be sealed, unreachable or unwilling at any time, also when this program
// starts. That is a State, which Keep keeps up to date, and an error that wraps
// seal.ErrAway: nothing is lost by it, and whoever tries again later finds that it
// works again. Tokens are renewed in time, and replaced when they cannot be.
package vault

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/hashicorp/vault/api"

	"github.com/marina-cloud/marina/internal/seal"
)

const (
	requestLimit = 10 * time.Second       // of one request, with the log-in before it
	dialLimit    = 3 * time.Second        // until Vault's host answers
	lookEvery    = 3 * time.Second        // how often Keep sees whether Vault works
	lookAgain    = time.Second            // the same while it does not
	quiet        = 500 * time.Millisecond // after a failure, others fail at once
)

// State is whether Vault can be used.
type State struct {
	Address string    `json:"address"`
	Mount   string    `json:"mount"`
	Key     string    `json:"key"`
	OK      bool      `json:"ok"`
	Message string    `json:"message,omitempty"` // for an operator: what is wrong, and what to do
	Since   time.Time `json:"since"`             // of OK
}

// Transit is a seal.Master. It is safe for concurrent use.
type Transit struct {
	cfg    Config
	client *api.Client // without a token
	log    *slog.Logger

	entry chan struct{} // held by whoever logs in or renews

	mu      sync.Mutex
	session session
	state   State
	failure error // the last one
	failed  time.Time
}

var _ seal.Master = (*Transit)(nil)

// New returns the Vault that cfg names. It asks Vault nothing yet.
func New(cfg Config, log *slog.Logger) (*Transit, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	// Nothing comes from the environment: VAULT_TOKEN and VAULT_SKIP_VERIFY are for
	// people at a terminal.
	transport := http.DefaultTransport.(*http.Transport).Clone() //nolint:forcetypeassert // it is one
	transport.DialContext = (&net.Dialer{Timeout: dialLimit, KeepAlive: 30 * time.Second}).DialContext
	transport.TLSHandshakeTimeout = dialLimit
	transport.MaxIdleConnsPerHost = 8
	c := &api.Config{Address: cfg.Address, Timeout: requestLimit, HttpClient: &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }, // the client follows one by itself
	}}
	if cfg.CAFile != "" {
		if err := c.ConfigureTLS(&api.TLSConfig{CACert: cfg.CAFile}); err != nil {
			return nil, fmt.Errorf("read Vault's authorities in %s: %w", cfg.CAFile, err)
		}
	}
	client, err := api.NewClient(c)
	if err != nil {
		return nil, fmt.Errorf("prepare for Vault: %w", err)
	}
	client.ClearToken()
	client.ClearNamespace()
	return &Transit{
		cfg: cfg, client: client, log: log, entry: make(chan struct{}, 1),
		state: State{Address: cfg.Address, Mount: cfg.Mount, Key: cfg.Key, Message: "Vault has not been asked yet.", Since: time.Now().UTC()},
	}, nil
}

// String names this Vault, for people.
func (t *Transit) String() string {
	at := fmt.Sprintf("Vault at %s, key %s of %s/", t.cfg.Address, t.cfg.Key, t.cfg.Mount)
	if t.cfg.Namespace != "" {
		at += " in the namespace " + t.cfg.Namespace
	}
	return at
}

// State says whether Vault could be used the last time that it was asked.
func (t *Transit) State() State {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.state
}

// Wrap is seal.Master's.
func (t *Transit) Wrap(ctx context.Context, keys []seal.Bound) ([][]byte, error) {
	answers, err := t.transit(ctx, "encrypt", "plaintext", "ciphertext", keys, func(k seal.Bound) string { return base64.StdEncoding.EncodeToString(k.Data) })
	if err != nil {
		return nil, err
	}
	wrapped := make([][]byte, len(answers))
	for i, a := range answers {
		wrapped[i] = []byte(a)
	}
	return wrapped, nil
}

// Unwrap is seal.Master's.
func (t *Transit) Unwrap(ctx context.Context, wrapped []seal.Bound) ([][]byte, error) {
	answers, err := t.transit(ctx, "decrypt", "ciphertext", "plaintext", wrapped, func(w seal.Bound) string { return string(w.Data) })
	if err != nil {
		return nil, err
	}
	keys := make([][]byte, len(answers))
	for i, a := range answers {
		if keys[i], err = base64.StdEncoding.DecodeString(a); err != nil {
			return nil, fmt.Errorf("vault answered something else than base64: %w", err)
		}
	}
	return keys, nil
}

// transit has the engine do one operation to many items. An error says nothing of
// which item was wrong.
func (t *Transit) transit(ctx context.Context, operation, from, to string, items []seal.Bound, encode func(seal.Bound) string) ([]string, error) {
	if len(items) == 0 {
		return nil, nil
	}
	input := make([]map[string]any, len(items))
	for i, item := range items {
		input[i] = map[string]any{from: encode(item), "associated_data": base64.StdEncoding.EncodeToString(item.To)}
	}
	body := input[0] // alone, what is wrong with it is said plainly
	if len(items) > 1 {
		body = map[string]any{"batch_input": input}
	}
	var answers []string
	err := t.do(ctx, func(ctx context.Context, c *api.Client) error {
		secret, err := c.Logical().WriteWithContext(ctx, t.cfg.Mount+"/"+operation+"/"+t.cfg.Key, body)
		if err != nil {
			return err
		}
		answers, err = results(secret, to, len(items))
		return err
	})
	return answers, err
}

// results takes the answers out of what Vault says.
func results(secret *api.Secret, field string, count int) ([]string, error) {
	malformed := errors.New("vault's answer is not one of a transit engine")
	if secret == nil {
		return nil, malformed
	}
	all := []any{map[string]any(secret.Data)}
	if count > 1 {
		all, _ = secret.Data["batch_results"].([]any)
	}
	if len(all) != count {
		return nil, malformed
	}
	found := make([]string, count)
	for i, one := range all {
		m, _ := one.(map[string]any)
		if text, _ := m["error"].(string); text != "" {
			return nil, fmt.Errorf("%w: %s", seal.ErrMasterKey, text)
		}
		s, ok := m[field].(string)
		if !ok {
			return nil, malformed
		}
		found[i] = s
	}
	return found, nil
}

// do does f with a client that is logged in, and once more with a new token if the
// one that it had is not let in any more.
func (t *Transit) do(ctx context.Context, f func(context.Context, *api.Client) error) error {
	t.mu.Lock()
	failure, recent := t.failure, time.Since(t.failed) < quiet
	t.mu.Unlock()
	if failure != nil && recent {
		return failure
	}
	limited, cancel := context.WithTimeout(ctx, requestLimit)
	defer cancel()
	err := t.attempt(limited, f)
	if ctx.Err() != nil {
		return ctx.Err() // says nothing about Vault
	}
	err = t.explain(err)
	t.note(err)
	return err
}

func (t *Transit) attempt(ctx context.Context, f func(context.Context, *api.Client) error) error {
	for again := false; ; again = true {
		s, err := t.enter(ctx)
		if err != nil {
			return &loginError{err}
		}
		err = f(ctx, t.as(s.token))
		if again || !denied(err) {
			return err
		}
		t.leave(s)
	}
}

// enter returns a session, after a log-in or a renewal if there has to be one.
func (t *Transit) enter(ctx context.Context) (session, error) {
	onlyToken := t.cfg.TokenFile != ""
	current := func() (session, need) {
		t.mu.Lock()
		defer t.mu.Unlock()
		return t.session, t.session.needs(time.Now(), onlyToken)
	}
	s, n := current()
	if n == nothing {
		return s, nil
	}
	select {
	case t.entry <- struct{}{}:
		defer func() { <-t.entry }()
	case <-ctx.Done():
		return s, ctx.Err()
	}
	if s, n = current(); n == nothing {
		return s, nil // somebody else was faster
	}
	var err error
	if n == renewal {
		next, err := t.renew(ctx, s)
		switch {
		case err == nil:
			s = next
			t.log.DebugContext(ctx, "Vault's token was renewed", "until", s.ends)
			return t.keep(s), nil
		case !answered(err):
			return s, err
		}
	}
	if s, err = t.logIn(ctx); err != nil {
		return s, err
	}
	t.log.InfoContext(ctx, "logged in to Vault", "address", t.cfg.Address, "for", s.life)
	return t.keep(s), nil
}

func (t *Transit) keep(s session) session {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.session = s
	return s
}

// leave forgets a session that is not let in, unless there is another by now.
func (t *Transit) leave(s session) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.session.token == s.token {
		t.session = session{}
	}
}

// Keep renews the token in time and keeps State up to date, until ctx ends.
func (t *Transit) Keep(ctx context.Context) error {
	for {
		t.followFile()
		wait := lookEvery
		if err := t.look(ctx); err != nil {
			wait = lookAgain
		}
		t.mu.Lock()
		due := t.session.due(t.cfg.TokenFile != "")
		t.mu.Unlock()
		if !due.IsZero() {
			wait = min(wait, max(time.Until(due), 100*time.Millisecond))
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(wait):
		}
	}
}

// look wraps and unwraps something, as a data key would be.
func (t *Transit) look(ctx context.Context) error {
	probe := seal.Bound{Data: make([]byte, 32), To: []byte("probe")}
	wrapped, err := t.Wrap(ctx, []seal.Bound{probe})
	if err != nil {
		return err
	}
	_, err = t.Unwrap(ctx, []seal.Bound{{Data: wrapped[0], To: probe.To}})
	return err
}

// followFile takes a token that somebody (Vault Agent, an operator) has put in place
// of the one in use.
func (t *Transit) followFile() {
	if t.cfg.TokenFile == "" {
		return
	}
	token, err := readSecret(t.cfg.TokenFile)
	if err != nil {
		return // the token in use may still be good
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.session.token != "" && t.session.token != token {
		t.session = session{}
	}
}
