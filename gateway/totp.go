package gateway

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/marina-cloud/marina/gateway/identity"
	"github.com/marina-cloud/marina/internal/tenant"
)

type totpView struct {
	Enabled   bool       `json:"enabled" doc:"Whether a log-in by password asks for a code."`
	EnabledAt *time.Time `json:"enabled_at"`
	Recovery  int        `json:"recovery_codes_left"`
}

type totpSecret struct {
	Secret string   `json:"secret" doc:"To be typed into an authenticator: base32, for SHA-1, six digits, 30 seconds." example:"GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"`
	URL    string   `json:"url" example:"otpauth://totp/Marina:ada@example.com?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"`
	QR     []string `json:"qr" doc:"The URL as a QR code: rows of modules, of which 1 is dark. Leave four light ones around it."`
}

type recoveryView struct {
	Codes []string `json:"recovery_codes" doc:"Each is good once, in place of a code. They are shown once and not kept." example:"[\"k3xw-7p2q-m5ta-c6ye\"]"`
}

type codeBody struct {
	Code string `json:"code" maxLength:"50" doc:"That the authenticator shows." example:"123456"`
}

func (s *server) registerTOTP(api huma.API) {
	op := func(id, method, path, summary string, status int, problems ...int) huma.Operation {
		return personal(operation(id, method, "/v1/account"+path, "Account", summary, status, append(problems, 401)...))
	}
	huma.Register(api, op("getTOTP", http.MethodGet, "/totp", "Say whether you have an authenticator as second factor", http.StatusOK), s.getTOTP)
	setUp := op("setUpTOTP", http.MethodPost, "/totp", "Get a secret for an authenticator", http.StatusCreated, 409)
	setUp.Description = "Nothing is asked for at log-in before enableTOTP has seen a code."
	huma.Register(api, confirmed(setUp), s.setUpTOTP)
	huma.Register(api, confirmed(op("enableTOTP", http.MethodPost, "/totp/enable", "Make the authenticator your second factor, and get recovery codes", http.StatusOK, 404, 409)), s.enableTOTP)
	huma.Register(api, confirmed(op("removeTOTP", http.MethodDelete, "/totp", "Remove your authenticator and the recovery codes", http.StatusNoContent, 404)), s.removeTOTP)
	huma.Register(api, confirmed(op("replaceRecoveryCodes", http.MethodPost, "/recovery-codes", "Get other recovery codes; those before are good no more", http.StatusOK, 404)), s.replaceRecoveryCodes)
}

func (s *server) getTOTP(ctx context.Context, _ *struct{}) (*struct{ Body totpView }, error) {
	f, left, err := s.identity.TOTP(ctx, caller(ctx).User)
	if err != nil && !errors.Is(err, identity.ErrNoTOTP) {
		return nil, s.failed(ctx, err)
	}
	return &struct{ Body totpView }{totpView{f.EnabledAt != nil, f.EnabledAt, left}}, nil
}

func (s *server) setUpTOTP(ctx context.Context, _ *struct{}) (*struct{ Body totpSecret }, error) {
	c := caller(ctx)
	secret := identity.NewTOTPSecret()
	key, err := identity.NewTOTPKey(c.Email, secret)
	if err != nil {
		return nil, s.failed(ctx, err)
	}
	sealed, err := s.Secrets.Seal(ctx, factorsKey, secret, totpPurpose(c.User))
	if err != nil {
		return nil, s.failed(ctx, fmt.Errorf("seal the secret of an authenticator: %w", err))
	}
	if err := s.identity.SetUpTOTP(ctx, c.User, sealed, s.now()); err != nil {
		return nil, s.failed(ctx, err)
	}
	return &struct{ Body totpSecret }{totpSecret{key.Text, key.URL, key.QR}}, nil
}

func (s *server) enableTOTP(ctx context.Context, in *struct{ Body codeBody }) (*struct{ Body recoveryView }, error) {
	c, now := caller(ctx), s.now()
	f, _, err := s.identity.TOTP(ctx, c.User)
	if err == nil && f.EnabledAt != nil {
		err = identity.ErrTOTPEnabled
	}
	if err != nil {
		return nil, s.failed(ctx, err)
	}
	step, ok, err := s.matchCode(ctx, c.User, f, in.Body.Code)
	if err == nil && !ok {
		err = identity.ErrWrongCode
	}
	if err != nil {
		return nil, s.failed(ctx, err)
	}
	codes, hashes := newRecoveryCodes()
	if err := s.identity.EnableTOTP(ctx, by(ctx), c.User, f.Sealed, step, now, hashes); err != nil {
		return nil, s.failed(ctx, err)
	}
	return &struct{ Body recoveryView }{recoveryView{codes}}, nil
}

func (s *server) removeTOTP(ctx context.Context, _ *struct{}) (*struct{}, error) {
	if err := s.identity.RemoveTOTP(ctx, by(ctx), caller(ctx).User); err != nil {
		return nil, s.failed(ctx, err)
	}
	return nil, nil
}

func (s *server) replaceRecoveryCodes(ctx context.Context, _ *struct{}) (*struct{ Body recoveryView }, error) {
	codes, hashes := newRecoveryCodes()
	if err := s.identity.ReplaceRecoveryCodes(ctx, by(ctx), caller(ctx).User, hashes); err != nil {
		return nil, s.failed(ctx, err)
	}
	return &struct{ Body recoveryView }{recoveryView{codes}}, nil
}

func newRecoveryCodes() (codes []string, hashes [][]byte) {
	codes = identity.NewRecoveryCodes()
	for _, code := range codes {
		hash, _ := identity.RecoveryHash(code)
		hashes = append(hashes, hash)
	}
	return codes, hashes
}

// factorsKey is the data key under which secrets of second factors are sealed.
const factorsKey = "factors"

// totpPurpose keeps a secret from being opened as that of somebody else.
func totpPurpose(user tenant.UserID) []byte { return []byte("totp of " + string(user)) }

// matchCode returns the step of time whose code this is.
func (s *server) matchCode(ctx context.Context, user tenant.UserID, f identity.TOTP, code string) (step int64, ok bool, err error) {
	secret, err := s.Secrets.Open(ctx, factorsKey, f.Sealed, totpPurpose(user))
	if err != nil {
		return 0, false, fmt.Errorf("open the secret of an authenticator: %w", err)
	}
	step, ok = identity.MatchTOTP(secret, identity.PlainCode(code), s.now())
	return step, ok, nil
}
