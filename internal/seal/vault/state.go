package vault

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"strings"
	"time"

	"github.com/hashicorp/vault/api"

	"github.com/marina-cloud/marina/internal/seal"
)

// loginError is one that came before anything was asked of the transit engine.
type loginError struct{ error }

func (e *loginError) Unwrap() error { return e.error }

// denied reports whether Vault did not let the token in.
func denied(err error) bool {
	var r *api.ResponseError
	return errors.As(err, &r) && r.StatusCode == http.StatusForbidden
}

// answered reports whether Vault itself said no: to a renewal it does so with
// several statuses, one of them 500 for a token that is as old as it may get.
func answered(err error) bool {
	var r *api.ResponseError
	return errors.As(err, &r) && r.StatusCode != http.StatusServiceUnavailable
}

// explain turns an error into one that says what an operator can do. All but
// seal.ErrMasterKey wrap seal.ErrAway.
func (t *Transit) explain(err error) error {
	if err == nil || errors.Is(err, seal.ErrMasterKey) {
		return err
	}
	away := func(format string, args ...any) error {
		return fmt.Errorf("%w: %s", seal.ErrAway, fmt.Sprintf(format, args...))
	}
	var login *loginError
	atLogin := errors.As(err, &login)
	var r *api.ResponseError
	if !errors.As(err, &r) {
		var path *fs.PathError
		if errors.As(err, &path) || atLogin && !isTransport(err) {
			return away("logging in to Vault at %s is not possible: %v", t.cfg.Address, err)
		}
		return away("Vault at %s cannot be reached: %v", t.cfg.Address, root(err))
	}
	says := strings.Join(r.Errors, "; ")
	switch {
	case r.StatusCode == http.StatusServiceUnavailable:
		return away("Vault at %s is sealed or not initialized: unseal it (vault operator unseal)", t.cfg.Address)
	case r.StatusCode >= 500 || r.StatusCode == http.StatusTooManyRequests || r.StatusCode == 472 || r.StatusCode == 473:
		return away("Vault at %s cannot answer (status %d): %s", t.cfg.Address, r.StatusCode, says)
	case atLogin && t.cfg.TokenFile != "":
		return away("Vault at %s does not accept the token in %s: put a new one there. It says: %s", t.cfg.Address, t.cfg.TokenFile, says)
	case atLogin:
		return away("Vault at %s does not accept the role id with the secret id in %s: put a new secret id there. It says: %s", t.cfg.Address, t.cfg.SecretIDFile, says)
	case denied(err):
		return away("Vault at %s does not let Marina use the key %s of %s/: make the key, and give the token the policy that `marina secrets policy` prints", t.cfg.Address, t.cfg.Key, t.cfg.Mount)
	case r.StatusCode == http.StatusNotFound:
		return away("Vault at %s has no transit engine at %s/: enable it, or name another with --vault-transit-mount", t.cfg.Address, t.cfg.Mount)
	case strings.Contains(says, "key not found"):
		return away("Vault at %s has no key %s in %s/: make it (vault write -f %s/keys/%s)", t.cfg.Address, t.cfg.Key, t.cfg.Mount, t.cfg.Mount, t.cfg.Key)
	case strings.Contains(says, "non-AEAD"):
		return away("the key %s of %s/ cannot bind data: make one of the type aes256-gcm96", t.cfg.Key, t.cfg.Mount)
	}
	return fmt.Errorf("%w (Vault at %s says: %s)", seal.ErrMasterKey, t.cfg.Address, says)
}

// isTransport reports whether an error is of the way to Vault.
func isTransport(err error) bool {
	var timeout interface{ Timeout() bool }
	return errors.As(err, &timeout) || errors.Is(err, context.DeadlineExceeded)
}

// root is the innermost error: what lies around it repeats the URL.
func root(err error) error {
	for {
		next := errors.Unwrap(err)
		if next == nil {
			return err
		}
		err = next
	}
}

// note keeps what came of asking Vault, and logs when that changes.
func (t *Transit) note(err error) {
	if errors.Is(err, seal.ErrMasterKey) {
		err = nil // Vault is well: it refused a piece of data
	}
	t.mu.Lock()
	t.failure, t.failed = err, time.Now()
	was := t.state
	t.state.OK, t.state.Message = err == nil, ""
	if err != nil {
		t.state.Message = strings.TrimPrefix(err.Error(), seal.ErrAway.Error()+": ")
	}
	if t.state.OK != was.OK {
		t.state.Since = time.Now().UTC()
	}
	is := t.state
	t.mu.Unlock()
	switch {
	case is.OK && !was.OK:
		t.log.Info("Vault can be used", "address", is.Address)
	case !is.OK && (was.OK || is.Message != was.Message):
		t.log.Error("Vault cannot be used; what runs goes on, and what has to be unsealed waits", "reason", is.Message)
	}
}
