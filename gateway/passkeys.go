package gateway

import (
	"context"
	"encoding/base64"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/marina-cloud/marina/gateway/identity"
	"github.com/marina-cloud/marina/gateway/internal/passkey"
	"github.com/marina-cloud/marina/internal/fault"
	"github.com/marina-cloud/marina/internal/tenant"
)

// PasskeyView is a passkey as its owner sees it.
type PasskeyView struct {
	ID         string     `json:"id" example:"pk-01k9xw3e5v8m2q4r6t8y0a1b2c"`
	Name       string     `json:"name" example:"Ada's phone"`
	CreatedAt  time.Time  `json:"created_at"`
	LastUsedAt *time.Time `json:"last_used_at" doc:"Null when nobody has logged in with it."`
}

func viewPasskey(p identity.Passkey) PasskeyView {
	return PasskeyView{string(p.ID), p.Name, p.CreatedAt, p.LastUsedAt}
}

// questionView is what the browser's WebAuthn is asked.
type questionView struct {
	Options map[string]any `json:"options" doc:"For PublicKeyCredential's parseCreationOptionsFromJSON or parseRequestOptionsFromJSON. Good for five minutes, and once."`
}

type questionOutput struct{ Body questionView }

type passkeyName struct {
	Name string `json:"name" example:"Ada's phone"`
}

// Resolve names the wrong fields that the schema cannot name.
func (b *passkeyName) Resolve(huma.Context) []error {
	return details(identity.CheckPasskeyName(b.Name))
}

type newPasskeyBody struct {
	Name        string   `json:"name" example:"Ada's phone"`
	ID          string   `json:"id" maxLength:"1400" doc:"Of the credential; this and the others are base64url without padding."`
	ClientData  string   `json:"client_data" maxLength:"10000" doc:"The answer's clientDataJSON."`
	Attestation string   `json:"attestation" maxLength:"40000" doc:"The answer's attestationObject."`
	Transports  []string `json:"transports,omitempty" nullable:"false" maxItems:"10" doc:"What getTransports says."`
}

// Resolve names the wrong fields that the schema cannot name.
func (b *newPasskeyBody) Resolve(huma.Context) []error {
	return details(append(identity.CheckPasskeyName(b.Name), checkBase64(map[string]string{"id": b.ID, "client_data": b.ClientData, "attestation": b.Attestation})...))
}

// checkBase64 returns the fields that are not base64url.
func checkBase64(fields map[string]string) (wrong []fault.Field) {
	for name, text := range fields {
		if _, err := base64.RawURLEncoding.DecodeString(text); err != nil || text == "" {
			wrong = append(wrong, fault.Field{Name: name, Reason: "must be base64url without padding"})
		}
	}
	return wrong
}

// raw decodes what checkBase64 has seen.
func raw(text string) []byte {
	data, _ := base64.RawURLEncoding.DecodeString(text)
	return data
}

const (
	addsPasskey = "passkey.add" // purposes of challenges
	usesPasskey = "passkey.use"
)

func (s *server) registerPasskeys(api huma.API) {
	op := func(id, method, path, summary string, status int, problems ...int) huma.Operation {
		return personal(operation(id, method, "/v1/account/passkeys"+path, "Account", summary, status, append(problems, 401)...))
	}
	huma.Register(api, op("listPasskeys", http.MethodGet, "", "List your passkeys", http.StatusOK), s.listPasskeys)
	huma.Register(api, confirmed(op("beginPasskey", http.MethodPost, "/begin", "Get what to ask a device for a new passkey", http.StatusOK, 409)), s.beginPasskey)
	huma.Register(api, confirmed(op("addPasskey", http.MethodPost, "", "Add the passkey that a device made", http.StatusCreated, 409)), s.addPasskey)
	huma.Register(api, op("renamePasskey", http.MethodPatch, "/{passkey_id}", "Change a passkey's name", http.StatusOK, 404), s.renamePasskey)
	huma.Register(api, confirmed(op("removePasskey", http.MethodDelete, "/{passkey_id}", "Remove a passkey: it is good no more", http.StatusNoContent, 404)), s.removePasskey)
}

func (s *server) listPasskeys(ctx context.Context, in *PageInput) (*pageOutput[PasskeyView], error) {
	after, err := in.after()
	if err != nil {
		return nil, s.failed(ctx, err)
	}
	all, err := s.identity.Passkeys(ctx, caller(ctx).User)
	if err != nil {
		return nil, s.failed(ctx, err)
	}
	return fewOf(all, after, in.Limit, func(p identity.Passkey) string { return string(p.ID) }, viewPasskey), nil
}

func (s *server) beginPasskey(ctx context.Context, _ *struct{}) (*questionOutput, error) {
	c := caller(ctx)
	have, err := s.identity.Passkeys(ctx, c.User)
	if err == nil && s.passkeys == nil {
		err = identity.ErrNoPasskeysHere
	}
	if err != nil {
		return nil, s.failed(ctx, err)
	}
	q, err := s.passkeys.AskNew(identity.User{ID: c.User, Email: c.Email}, have)
	if err != nil {
		return nil, s.failed(ctx, err)
	}
	return s.ask(ctx, q, addsPasskey, c.User)
}

// ask answers with a question, and keeps what its answer is held against.
func (s *server) ask(ctx context.Context, q passkey.Question, purpose string, user tenant.UserID) (*questionOutput, error) {
	now := s.now()
	c := identity.Challenge{Hash: q.Hash, Purpose: purpose, User: user, Detail: q.Detail, ExpiresAt: now.Add(identity.ChallengeLife)}
	if err := s.identity.AddChallenge(ctx, c, now); err != nil {
		return nil, s.failed(ctx, err)
	}
	return &questionOutput{questionView{q.Options}}, nil
}

func (s *server) addPasskey(ctx context.Context, in *struct{ Body newPasskeyBody }) (*struct{ Body PasskeyView }, error) {
	p, err := s.newPasskey(ctx, in.Body)
	if err == nil {
		err = s.identity.AddPasskey(ctx, by(ctx), p)
	}
	if err != nil {
		return nil, s.failed(ctx, err)
	}
	return &struct{ Body PasskeyView }{viewPasskey(p)}, nil
}

func (s *server) newPasskey(ctx context.Context, b newPasskeyBody) (p identity.Passkey, err error) {
	if s.passkeys == nil {
		return p, identity.ErrNoPasskeysHere
	}
	c, now := caller(ctx), s.now()
	answer := passkey.Made{ID: raw(b.ID), ClientData: raw(b.ClientData), Attestation: raw(b.Attestation), Transports: b.Transports}
	asked, err := answer.Asked()
	if err != nil {
		return p, err
	}
	question, err := s.identity.TakeChallenge(ctx, asked, addsPasskey, now)
	if err != nil {
		return p, err
	}
	if question.User != c.User {
		return p, identity.ErrNoChallenge
	}
	p, err = s.passkeys.Accept(identity.User{ID: c.User, Email: c.Email}, question.Detail, &answer)
	p.ID, p.Name, p.CreatedAt = tenant.NewPasskeyID(), b.Name, now
	return p, err
}

func (s *server) renamePasskey(ctx context.Context, in *struct {
	ID   string `path:"passkey_id"`
	Body passkeyName
}) (*struct{ Body PasskeyView }, error) {
	p, err := s.identity.RenamePasskey(ctx, by(ctx), caller(ctx).User, tenant.PasskeyID(in.ID), in.Body.Name)
	if err != nil {
		return nil, s.failed(ctx, err)
	}
	return &struct{ Body PasskeyView }{viewPasskey(p)}, nil
}

func (s *server) removePasskey(ctx context.Context, in *struct {
	ID string `path:"passkey_id"`
}) (*struct{}, error) {
	if err := s.identity.RemovePasskey(ctx, by(ctx), caller(ctx).User, tenant.PasskeyID(in.ID)); err != nil {
		return nil, s.failed(ctx, err)
	}
	return nil, nil
}
