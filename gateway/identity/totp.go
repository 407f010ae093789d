package identity

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base32"
	"fmt"
	"strings"
	"time"

	"github.com/boombuler/barcode/qr"
	"github.com/pquerna/otp"
	"github.com/pquerna/otp/hotp"
	"github.com/pquerna/otp/totp"

	"github.com/marina-cloud/marina/internal/fault"
)

// Faults of the second factor.
var (
	ErrCodeNeeded  = fault.New(fault.Unauthorized, "second_factor_needed", "The account has a second factor: send the code that your authenticator shows, or a recovery code.")
	ErrBadCode     = fault.New(fault.Unauthorized, "bad_code", "The code is wrong, or was used before. Wait for the next one, or use a recovery code.")
	ErrWrongCode   = fault.InvalidFields([]fault.Field{{Name: "code", Reason: "does not belong to this secret: see that the clock of the device is right, and try the next one"}})
	ErrNoTOTP      = fault.New(fault.NotFound, "totp_not_found", "There is no authenticator. Set one up first.")
	ErrTOTPEnabled = fault.New(fault.Conflict, "totp_enabled", "There is an authenticator already. Remove it first.")
)

// TOTP is a person's authenticator: a program that shares a secret with us and shows
// codes made of it (RFC 6238).
type TOTP struct {
	Sealed    []byte     // the secret
	EnabledAt *time.Time // nil: nobody has shown yet that they have the secret
	LastStep  int64      // of the last code that was used
}

// totpPeriod is how long a code is shown: what every authenticator takes for granted,
// as it does HMAC-SHA-1 and six digits.
const totpPeriod = 30 * time.Second

// NewTOTPSecret returns a secret of the length that RFC 4226 recommends.
func NewTOTPSecret() []byte {
	secret := make([]byte, 20)
	rand.Read(secret)
	return secret
}

// TOTPKey is a secret in the forms in which authenticators take it.
type TOTPKey struct {
	Text string   // to be typed
	URL  string   // otpauth://
	QR   []string // the URL as a code to be photographed: rows of modules, of which 1 is dark
}

// NewTOTPKey shows the secret of the person with this address to an authenticator.
func NewTOTPKey(email string, secret []byte) (TOTPKey, error) {
	key, err := totp.Generate(totp.GenerateOpts{Issuer: "Marina", AccountName: email, Secret: secret})
	if err != nil {
		return TOTPKey{}, fmt.Errorf("write the secret of an authenticator as a URL: %w", err)
	}
	code, err := qr.Encode(key.URL(), qr.M, qr.Auto)
	if err != nil {
		return TOTPKey{}, fmt.Errorf("write the secret of an authenticator as a QR code: %w", err)
	}
	k := TOTPKey{Text: key.Secret(), URL: key.URL()}
	for size, y := code.Bounds(), 0; y < size.Dy(); y++ {
		row := make([]byte, size.Dx())
		for x := range row {
			row[x] = '0'
			if r, _, _, _ := code.At(x, y).RGBA(); r == 0 {
				row[x] = '1'
			}
		}
		k.QR = append(k.QR, string(row))
	}
	return k, nil
}

// MatchTOTP returns the step of time whose code this is: the present one, or the one
// before or after it, since clocks differ (RFC 6238, 5.2). ok is false for any other.
func MatchTOTP(secret []byte, code string, now time.Time) (step int64, ok bool) {
	present := now.Unix() / int64(totpPeriod/time.Second)
	text := base32.StdEncoding.EncodeToString(secret)
	for s := present - 1; s <= present+1; s++ {
		want, err := hotp.GenerateCodeCustom(text, uint64(s), hotp.ValidateOpts{Digits: otp.DigitsSix, Algorithm: otp.AlgorithmSHA1})
		if err == nil && subtle.ConstantTimeCompare([]byte(want), []byte(code)) == 1 {
			step, ok = s, true
		}
	}
	return step, ok
}

// recoveryCodes is how many a person gets.
const recoveryCodes = 10

// NewRecoveryCodes returns codes for whoever loses their authenticator: 80 random bits
// each, in groups that can be copied by hand.
func NewRecoveryCodes() []string {
	codes := make([]string, recoveryCodes)
	for i := range codes {
		raw := make([]byte, 10)
		rand.Read(raw)
		text := secretEncoding.EncodeToString(raw)
		codes[i] = strings.Join([]string{text[:4], text[4:8], text[8:12], text[12:]}, "-")
	}
	return codes
}

// PlainCode is a code as it is compared, however somebody typed it.
func PlainCode(code string) string {
	return strings.ToLower(strings.NewReplacer(" ", "", "-", "").Replace(code))
}

// RecoveryHash returns what is kept of a recovery code. ok is false when it cannot be
// one of ours.
func RecoveryHash(code string) (hash []byte, ok bool) {
	code = PlainCode(code)
	if raw, err := secretEncoding.DecodeString(code); err != nil || len(code) != 16 || len(raw) != 10 {
		return nil, false
	}
	sum := sha256.Sum256([]byte(code))
	return sum[:], true
}
