//go:build integration

package gateway_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fxamacker/cbor/v2"
	"github.com/jackc/pgx/v5"

	"github.com/marina-cloud/marina/gateway"
	"github.com/marina-cloud/marina/internal/tenant"
)

const site = "https://marina.example.com"

// device is an authenticator (WebAuthn, 6) with one passkey.
type device struct {
	id     []byte
	key    *ecdsa.PrivateKey
	user   string // the userHandle
	count  uint32
	origin string // of the page that asks it
	flags  byte
}

const present, verified, attested = 0x01, 0x04, 0x40 // flags of authenticator data

func newDevice(t *testing.T) *device {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	id := make([]byte, 32)
	rand.Read(id)
	return &device{id: id, key: key, origin: site, flags: present | verified}
}

func encoded(data []byte) string { return base64.RawURLEncoding.EncodeToString(data) }

// question is what a page asks a device.
type question struct {
	Options struct {
		Challenge        string         `json:"challenge"`
		RP               map[string]any `json:"rp"`
		RPID             string         `json:"rpId"`
		UserVerification string         `json:"userVerification"`
		User             struct{ ID, Name string }
		Selection        map[string]any `json:"authenticatorSelection"`
	} `json:"options"`
}

func (d *device) data(flags byte) []byte {
	rp := sha256.Sum256([]byte("marina.example.com"))
	return binary.BigEndian.AppendUint32(append(rp[:], flags), d.count)
}

func (d *device) client(kind string, q question) []byte {
	return fmt.Appendf(nil, `{"type":%q,"challenge":%q,"origin":%q,"crossOrigin":false}`, kind, q.Options.Challenge, d.origin)
}

// makes is the body that adds the device's passkey.
func (d *device) makes(t *testing.T, q question) string {
	t.Helper()
	public, err := d.key.PublicKey.Bytes() // 4, x, y
	if err != nil {
		t.Fatal(err)
	}
	key, err := cbor.Marshal(map[int]any{1: 2, 3: -7, -1: 1, -2: public[1:33], -3: public[33:]}) // RFC 9053, 7.1
	if err != nil {
		t.Fatal(err)
	}
	data := slices.Concat(d.data(d.flags|attested), make([]byte, 16), binary.BigEndian.AppendUint16(nil, uint16(len(d.id))), d.id, key)
	object, err := cbor.Marshal(map[string]any{"fmt": "none", "attStmt": map[string]any{}, "authData": data})
	if err != nil {
		t.Fatal(err)
	}
	user, err := base64.RawURLEncoding.DecodeString(q.Options.User.ID)
	if err != nil {
		t.Fatal(err)
	}
	d.user = string(user)
	return fmt.Sprintf(`{"name":"Ada's phone","id":%q,"client_data":%q,"attestation":%q,"transports":["internal"]}`,
		encoded(d.id), encoded(d.client("webauthn.create", q)), encoded(object))
}

// shows is the body that logs in with the device's passkey.
func (d *device) shows(t *testing.T, q question) string {
	t.Helper()
	d.count++
	data, client := d.data(d.flags), d.client("webauthn.get", q)
	hash := sha256.Sum256(client)
	digest := sha256.Sum256(append(slices.Clone(data), hash[:]...))
	signature, err := ecdsa.SignASN1(rand.Reader, d.key, digest[:])
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf(`{"id":%q,"client_data":%q,"authenticator_data":%q,"signature":%q,"user":%q}`,
		encoded(d.id), encoded(client), encoded(data), encoded(signature), encoded([]byte(d.user)))
}

func (a *api) asksNew(t *testing.T, who account) (q question) {
	t.Helper()
	a.do(t, "POST", "/v1/account/passkeys/begin", "", who.bearer()...).decode(t, http.StatusOK, &q)
	return q
}

func (a *api) asksKnown(t *testing.T) (q question) {
	t.Helper()
	a.do(t, "POST", "/v1/login/passkey/begin", "").decode(t, http.StatusOK, &q)
	return q
}

// withPasskey gives somebody a passkey on a device of theirs.
func (a *api) withPasskey(t *testing.T, who account) (d *device, id string) {
	t.Helper()
	who.confirm(t, a)
	d = newDevice(t)
	var made resource
	a.do(t, "POST", "/v1/account/passkeys", d.makes(t, a.asksNew(t, who)), who.bearer()...).decode(t, http.StatusCreated, &made)
	return d, made.ID
}

// addPasskey puts a passkey where it is kept.
func (a *api) addPasskey(t *testing.T, who account) (id tenant.PasskeyID) {
	t.Helper()
	id = tenant.NewPasskeyID()
	err := a.db.AsLogin(t.Context(), func(tx pgx.Tx) error {
		_, err := tx.Exec(t.Context(), "INSERT INTO passkeys (id, user_id, name, credential_id, credential, sign_count, created_at) VALUES ($1, $2, 'phone', $3, '{}', 0, now())", id, who.User, []byte(id))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func startSite(t *testing.T) *api {
	return startWith(t, func(d *gateway.Deps) {
		d.PublicURL = site
		d.Limits.Attempts = gateway.Rate{PerSecond: 100, Burst: 100}
	})
}

func TestPasskey(t *testing.T) {
	t.Parallel()
	a := startSite(t)
	ada := a.signUp(t, "ada@example.com")
	a.do(t, "POST", "/v1/account/passkeys/begin", "", ada.bearer()...).problem(t, http.StatusForbidden, "confirmation_needed")
	d, id := a.withPasskey(t, ada)
	if d.user != string(ada.User) {
		t.Errorf("the device was told the user %q", d.user)
	}
	q := a.asksNew(t, ada)
	if q.Options.RP["id"] != "marina.example.com" || q.Options.Selection["userVerification"] != "required" || q.Options.Selection["residentKey"] != "required" {
		t.Errorf("options %+v", q.Options)
	}
	// With it nothing else is asked for, not even a code.
	a.withTOTP(t, ada)
	known := a.asksKnown(t)
	if known.Options.UserVerification != "required" || known.Options.RPID != "marina.example.com" {
		t.Errorf("options %+v", known.Options)
	}
	var who account
	a.do(t, "POST", "/v1/login/passkey", d.shows(t, known)).decode(t, http.StatusCreated, &who)
	if who.User != ada.User || who.Token.Secret == "" {
		t.Errorf("logged in as %+v", who)
	}
	var list struct {
		Items []struct {
			ID, Name string
			Used     *time.Time `json:"last_used_at"`
		}
	}
	a.do(t, "GET", "/v1/account/passkeys", "", who.bearer()...).decode(t, http.StatusOK, &list)
	if len(list.Items) != 1 || list.Items[0].ID != id || list.Items[0].Used == nil {
		t.Errorf("passkeys %+v", list)
	}
	a.do(t, "PATCH", "/v1/account/passkeys/"+id, `{"name":" "}`, who.bearer()...).errorsAt(t, "body.name")
	var renamed resource
	a.do(t, "PATCH", "/v1/account/passkeys/"+id, `{"name":"Telephone"}`, who.bearer()...).decode(t, http.StatusOK, &renamed)
	if renamed.Name != "Telephone" {
		t.Errorf("renamed to %q", renamed.Name)
	}
	// A log-in with a passkey confirms that it is her.
	if got := a.do(t, "DELETE", "/v1/account/passkeys/"+id, "", who.bearer()...); got.status != http.StatusNoContent {
		t.Errorf("remove: %d %s", got.status, got.body)
	}
	a.do(t, "POST", "/v1/login/passkey", d.shows(t, a.asksKnown(t))).problem(t, http.StatusUnauthorized, "bad_passkey")
}

// TestPasskeyRefused: each of these is all right but for one thing.
func TestPasskeyRefused(t *testing.T) {
	t.Parallel()
	a := startSite(t)
	ada, eve := a.signUp(t, "ada@example.com"), a.signUp(t, "eve@example.com")
	good, _ := a.withPasskey(t, ada)
	hers, _ := a.withPasskey(t, eve)
	expired := a.asksKnown(t)
	a.expireChallenges(t)
	used := a.asksKnown(t)
	a.do(t, "POST", "/v1/login/passkey", good.shows(t, used)).decode(t, http.StatusCreated, &account{})
	changed := func(change func(*device)) *device {
		d := *good
		d.count += 10
		change(&d)
		return &d
	}
	for name, body := range map[string]string{
		"replayed":              good.shows(t, used),
		"expired":               good.shows(t, expired),
		"never asked":           good.shows(t, question{}),
		"asked for another use": changed(func(*device) {}).shows(t, a.asksNew(t, ada)),
		"another site's page":   changed(func(d *device) { d.origin = "https://evil.example" }).shows(t, a.asksKnown(t)),
		"nobody was verified":   changed(func(d *device) { d.flags = present }).shows(t, a.asksKnown(t)),
		"a device that is back": changed(func(d *device) { d.count = 0 }).shows(t, a.asksKnown(t)),
		"another key":           changed(func(d *device) { d.key = hers.key }).shows(t, a.asksKnown(t)),
		"another person":        changed(func(d *device) { d.user = hers.user }).shows(t, a.asksKnown(t)),
		"an unknown passkey":    changed(func(d *device) { d.id = newDevice(t).id }).shows(t, a.asksKnown(t)),
	} {
		t.Run(strings.ReplaceAll(name, " ", "_"), func(t *testing.T) {
			a.do(t, "POST", "/v1/login/passkey", body).problem(t, http.StatusUnauthorized, "bad_passkey")
		})
	}
	a.do(t, "POST", "/v1/login/passkey", `{"id":"!","client_data":"","authenticator_data":"YQ==","signature":"a b","user":"ä"}`).
		errorsAt(t, "body.authenticator_data", "body.client_data", "body.id", "body.signature", "body.user")
	good.count += 20 // control
	a.do(t, "POST", "/v1/login/passkey", good.shows(t, a.asksKnown(t))).decode(t, http.StatusCreated, &account{})
}

// TestNewPasskeyRefused: what somebody else was asked, or long ago, or without looking
// who holds the device, adds nothing.
func TestNewPasskeyRefused(t *testing.T) {
	t.Parallel()
	a := startSite(t)
	ada, eve := a.signUp(t, "ada@example.com"), a.signUp(t, "eve@example.com")
	ada.confirm(t, a)
	eve.confirm(t, a)
	add := func(body string) answer { return a.do(t, "POST", "/v1/account/passkeys", body, ada.bearer()...) }
	expired := a.asksNew(t, ada)
	a.expireChallenges(t)
	add(newDevice(t).makes(t, expired)).problem(t, http.StatusUnprocessableEntity, "challenge_over")
	add(newDevice(t).makes(t, a.asksNew(t, eve))).problem(t, http.StatusUnprocessableEntity, "challenge_over")
	for why, d := range map[string]*device{"nobody was verified": {flags: present, origin: site}, "another site's page": {flags: present | verified, origin: "https://evil.example"}} {
		d.id, d.key = newDevice(t).id, newDevice(t).key
		if got := add(d.makes(t, a.asksNew(t, ada))); got.status != http.StatusUnprocessableEntity {
			t.Errorf("%s: %d %s", why, got.status, got.body)
		}
	}
	d := newDevice(t)
	q := a.asksNew(t, ada)
	add(d.makes(t, q)).decode(t, http.StatusCreated, &resource{})
	add(d.makes(t, q)).problem(t, http.StatusUnprocessableEntity, "challenge_over")
	add(d.makes(t, a.asksNew(t, ada))).problem(t, http.StatusConflict, "passkey_known")
}

// expireChallenges lets the time pass that somebody has.
func (a *api) expireChallenges(t *testing.T) {
	t.Helper()
	err := a.db.AsLogin(t.Context(), func(tx pgx.Tx) error {
		const move = `CREATE TEMPORARY TABLE late ON COMMIT DROP AS SELECT * FROM challenges;
			DELETE FROM challenges;
			UPDATE late SET expires_at = now() - interval '1 second';
			INSERT INTO challenges SELECT * FROM late`
		_, err := tx.Exec(t.Context(), move)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestNoPasskeysAtAnAddress: WebAuthn knows no sites that are IP addresses.
func TestNoPasskeysAtAnAddress(t *testing.T) {
	t.Parallel()
	a := startWith(t, func(d *gateway.Deps) { d.PublicURL = "http://127.0.0.1:8080" })
	a.do(t, "POST", "/v1/login/passkey/begin", "").problem(t, http.StatusConflict, "passkeys_unavailable")
}
