// Package passkey asks devices for passkeys and verifies their answers (WebAuthn level
// 3, https://www.w3.org/TR/webauthn-3/). It keeps nothing.
package passkey

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/webauthn"

	"github.com/marina-cloud/marina/gateway/identity"
)

// Site is the one for which passkeys are good: a host, and those below it. It is safe
// for concurrent use.
type Site struct{ w *webauthn.WebAuthn }

// New returns the site at the URL that people's browsers open. A site that is reached
// by an IP address can have no passkeys.
func New(publicURL string) (*Site, error) {
	u, err := url.Parse(publicURL)
	if err != nil {
		return nil, fmt.Errorf("passkeys: %w", err)
	}
	if err := protocol.ValidateRPID(u.Hostname()); err != nil {
		return nil, fmt.Errorf("passkeys at %s: %w", publicURL, err)
	}
	w, err := webauthn.New(&webauthn.Config{
		RPID: u.Hostname(), RPDisplayName: "Marina", RPOrigins: []string{u.Scheme + "://" + u.Host},
		AttestationPreference: protocol.PreferNoAttestation, // which model it is, is nobody's business
		AuthenticatorSelection: protocol.AuthenticatorSelection{
			ResidentKey: protocol.ResidentKeyRequirementRequired, RequireResidentKey: protocol.ResidentKeyRequired(),
			UserVerification: protocol.VerificationRequired,
		},
	})
	if err != nil {
		return nil, fmt.Errorf("passkeys at %s: %w", publicURL, err)
	}
	return &Site{w}, nil
}

// Question is what a device is asked. Whoever asks keeps Detail under Hash until the
// answer comes.
type Question struct {
	Options map[string]any // for navigator.credentials
	Hash    []byte
	Detail  []byte
}

// AskNew asks a device for a new passkey of the person, who has others already.
func (s *Site) AskNew(u identity.User, have []identity.Passkey) (Question, error) {
	p, err := personOf(u, have)
	if err != nil {
		return Question{}, err
	}
	var known []protocol.CredentialDescriptor
	for _, c := range p.credentials {
		known = append(known, c.Descriptor())
	}
	creation, session, err := s.w.BeginRegistration(p, webauthn.WithExclusions(known))
	if err != nil {
		return Question{}, fmt.Errorf("ask for a new passkey: %w", err)
	}
	return question(creation.Response, session)
}

// AskKnown asks a device for any passkey that it has of this site.
func (s *Site) AskKnown() (Question, error) {
	assertion, session, err := s.w.BeginDiscoverableLogin(webauthn.WithUserVerification(protocol.VerificationRequired))
	if err != nil {
		return Question{}, fmt.Errorf("ask for a passkey: %w", err)
	}
	return question(assertion.Response, session)
}

func question(options any, session *webauthn.SessionData) (q Question, err error) {
	written, err := json.Marshal(options)
	if err == nil {
		err = json.Unmarshal(written, &q.Options)
	}
	if err == nil {
		q.Detail, err = json.Marshal(session)
	}
	if err != nil {
		return q, fmt.Errorf("write the options of a passkey: %w", err)
	}
	q.Hash = hashOf(session.Challenge)
	return q, nil
}

func hashOf(challenge string) []byte {
	sum := sha256.Sum256([]byte(challenge))
	return sum[:]
}

// Made is a device's answer with a new passkey.
type Made struct {
	ID, ClientData, Attestation []byte
	Transports                  []string
	parsed                      *protocol.ParsedCredentialCreationData
}

// Asked returns the hash of the question that this is an answer to.
func (n *Made) Asked() ([]byte, error) {
	var err error
	n.parsed, err = protocol.CredentialCreationResponse{
		PublicKeyCredential: credential(n.ID),
		AttestationResponse: protocol.AuthenticatorAttestationResponse{
			AuthenticatorResponse: protocol.AuthenticatorResponse{ClientDataJSON: n.ClientData},
			Transports:            n.Transports, AttestationObject: n.Attestation,
		},
	}.Parse()
	if err != nil {
		return nil, identity.ErrPasskeyRefused.Because(why(err))
	}
	return hashOf(n.parsed.Response.CollectedClientData.Challenge), nil
}

// Accept returns the passkey of the answer, if it is a good one to the question with
// this detail. Asked comes first.
func (s *Site) Accept(u identity.User, detail []byte, n *Made) (p identity.Passkey, err error) {
	session, err := sessionOf(detail)
	if err != nil {
		return p, err
	}
	c, err := s.w.CreateCredential(person{User: u}, session, n.parsed)
	if err != nil {
		return p, identity.ErrPasskeyRefused.Because(why(err))
	}
	if p.Credential, err = json.Marshal(c); err != nil {
		return p, fmt.Errorf("write passkey: %w", err)
	}
	p.User, p.CredentialID, p.SignCount = u.ID, c.ID, c.Authenticator.SignCount
	return p, nil
}

// Shown is a device's answer with a passkey that it has.
type Shown struct {
	ID, ClientData, AuthenticatorData, Signature, User []byte
	parsed                                             *protocol.ParsedCredentialAssertionData
}

// Asked returns the hash of the question that this is an answer to.
func (k *Shown) Asked() ([]byte, error) {
	var err error
	k.parsed, err = protocol.CredentialAssertionResponse{
		PublicKeyCredential: credential(k.ID),
		AssertionResponse: protocol.AuthenticatorAssertionResponse{
			AuthenticatorResponse: protocol.AuthenticatorResponse{ClientDataJSON: k.ClientData},
			AuthenticatorData:     k.AuthenticatorData, Signature: k.Signature, UserHandle: k.User,
		},
	}.Parse()
	if err != nil {
		return nil, identity.ErrBadPasskey.Because(why(err))
	}
	return hashOf(k.parsed.Response.CollectedClientData.Challenge), nil
}

// Verify returns the device's counter, if the answer was signed with the passkey and is
// a good one to the question with this detail. Asked comes first.
func (s *Site) Verify(u identity.User, p identity.Passkey, detail []byte, k *Shown) (count uint32, err error) {
	session, err := sessionOf(detail)
	if err != nil {
		return 0, err
	}
	whose, err := personOf(u, []identity.Passkey{p})
	if err != nil {
		return 0, err
	}
	whose.credentials[0].Authenticator.SignCount = p.SignCount
	c, err := s.w.ValidateDiscoverableLogin(func([]byte, []byte) (webauthn.User, error) { return whose, nil }, session, k.parsed)
	if err != nil {
		return 0, identity.ErrBadPasskey.Because(why(err))
	}
	if c.Authenticator.CloneWarning {
		return 0, identity.ErrBadPasskey.Because(errors.New("the counter went back: there are two of this device"))
	}
	return c.Authenticator.SignCount, nil
}

func sessionOf(detail []byte) (session webauthn.SessionData, err error) {
	if err := json.Unmarshal(detail, &session); err != nil {
		return session, fmt.Errorf("read what was asked of a passkey: %w", err)
	}
	return session, nil
}

func credential(id []byte) protocol.PublicKeyCredential {
	return protocol.PublicKeyCredential{
		Credential: protocol.Credential{ID: base64.RawURLEncoding.EncodeToString(id), Type: string(protocol.PublicKeyCredentialType)}, RawID: id,
	}
}

// why is an error of the library with what it tells developers.
func why(err error) error {
	if p, ok := errors.AsType[*protocol.Error](err); ok {
		return fmt.Errorf("%s: %s", p.Details, p.DevInfo)
	}
	return err
}

// person is a user as the library asks for one.
type person struct {
	identity.User
	credentials []webauthn.Credential
}

func personOf(u identity.User, have []identity.Passkey) (person, error) {
	p := person{User: u, credentials: make([]webauthn.Credential, len(have))}
	for i := range have {
		if err := json.Unmarshal(have[i].Credential, &p.credentials[i]); err != nil {
			return p, fmt.Errorf("read passkey %s: %w", have[i].ID, err)
		}
	}
	return p, nil
}

// These are what webauthn.User asks for.
func (p person) WebAuthnID() []byte                         { return []byte(p.ID) }
func (p person) WebAuthnName() string                       { return p.Email }
func (p person) WebAuthnDisplayName() string                { return p.Email }
func (p person) WebAuthnCredentials() []webauthn.Credential { return p.credentials }
