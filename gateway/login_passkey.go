package gateway

import (
	"context"
	"errors"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/marina-cloud/marina/gateway/identity"
	"github.com/marina-cloud/marina/gateway/internal/passkey"
	"github.com/marina-cloud/marina/internal/tenant"
)

type passkeyLogInBody struct {
	ID                string `json:"id" maxLength:"1400" doc:"Of the credential; this and the others are base64url without padding."`
	ClientData        string `json:"client_data" maxLength:"10000" doc:"The answer's clientDataJSON."`
	AuthenticatorData string `json:"authenticator_data" maxLength:"10000"`
	Signature         string `json:"signature" maxLength:"10000"`
	User              string `json:"user" maxLength:"100" doc:"The answer's userHandle."`
	Cookie            bool   `json:"cookie,omitempty" doc:"Keep the session's secret in a cookie that no script can read, for browsers; else the answer has it."`
}

// Resolve names the wrong fields that the schema cannot name.
func (b *passkeyLogInBody) Resolve(huma.Context) []error {
	return details(checkBase64(map[string]string{
		"id": b.ID, "client_data": b.ClientData, "authenticator_data": b.AuthenticatorData, "signature": b.Signature, "user": b.User,
	}))
}

func (s *server) registerPasskeyLogIn(api huma.API) {
	huma.Register(api, operation("beginPasskeyLogIn", http.MethodPost, "/v1/login/passkey/begin", "Account", "Get what to ask a device for a passkey", http.StatusOK, 409), s.beginPasskeyLogIn)
	op := operation("logInWithPasskey", http.MethodPost, "/v1/login/passkey", "Account", "Log in with a passkey: get a session", http.StatusCreated, 401, 409)
	op.Description = "The device checks who holds it: no other factor is asked for."
	huma.Register(api, op, s.logInWithPasskey)
}

func (s *server) beginPasskeyLogIn(ctx context.Context, _ *struct{}) (*questionOutput, error) {
	if s.passkeys == nil {
		return nil, s.failed(ctx, identity.ErrNoPasskeysHere)
	}
	if err := s.attempts.try(origin(ctx), s.now()); err != nil {
		return nil, s.failed(ctx, err)
	}
	q, err := s.passkeys.AskKnown()
	if err != nil {
		return nil, s.failed(ctx, err)
	}
	return s.ask(ctx, q, usesPasskey, "")
}

func (s *server) logInWithPasskey(ctx context.Context, in *struct{ Body passkeyLogInBody }) (*sessionOutput, error) {
	b := in.Body
	user, err := s.verifyPasskey(ctx, passkey.Shown{
		ID: raw(b.ID), ClientData: raw(b.ClientData), AuthenticatorData: raw(b.AuthenticatorData), Signature: raw(b.Signature), User: raw(b.User),
	})
	if err != nil {
		return nil, s.failed(ctx, err)
	}
	return s.logInProved(ctx, user, b.Cookie)
}

// verifyPasskey returns whose passkey has given this answer. It tells nobody which
// passkeys there are.
func (s *server) verifyPasskey(ctx context.Context, answer passkey.Shown) (tenant.UserID, error) {
	if s.passkeys == nil {
		return "", identity.ErrNoPasskeysHere
	}
	now := s.now()
	asked, err := answer.Asked()
	if err != nil {
		return "", err
	}
	question, err := s.identity.TakeChallenge(ctx, asked, usesPasskey, now)
	if errors.Is(err, identity.ErrNoChallenge) {
		return "", identity.ErrBadPasskey
	}
	if err != nil {
		return "", err
	}
	user := tenant.UserID(answer.User)
	p, err := s.identity.PasskeyOf(ctx, user, answer.ID)
	if errors.Is(err, identity.ErrNoPasskey) {
		return "", identity.ErrBadPasskey
	}
	if err != nil {
		return "", err
	}
	count, err := s.passkeys.Verify(identity.User{ID: user}, p, question.Detail, &answer)
	if err != nil {
		return "", err
	}
	used, err := s.identity.UsePasskey(ctx, p.ID, count, now)
	if err == nil && !used {
		err = identity.ErrBadPasskey
	}
	return user, err
}
