// Package secret marks what must not be shown: passwords, tokens, addresses with
// passwords in them.
package secret

import (
	"fmt"
	"log/slog"
)

// redacted is what is shown in its place.
const redacted = "[redacted]"

// Text is a secret. Formatted, logged or encoded it does not appear; string(t) is
// for whoever needs it.
type Text string

// String implements fmt.Stringer.
func (Text) String() string { return redacted }

// Format implements fmt.Formatter: no verb shows the secret.
func (Text) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(redacted)) }

// LogValue implements slog.LogValuer.
func (Text) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalText implements encoding.TextMarshaler, and so JSON's encoding.
func (Text) MarshalText() ([]byte, error) { return []byte(redacted), nil }
