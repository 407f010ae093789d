package controlplane

import (
	"fmt"
	"time"

	"github.com/marina-cloud/marina/internal/fault"
)

// RevokedToken is a token that a cluster is to take no more: of an issuer that its owner
// named, or of a service account. Marina did not issue it.
type RevokedToken struct {
	ID   string        // its claim jti
	Life time.Duration // for how much longer it would be good at most
}

const (
	maxTokenID = 256 // bytes

	// MaxTokenLife is how far in the future the end of a revoked token may lie.
	MaxTokenLife = 366 * 24 * time.Hour

	// MaxRevokedTokens is how many tokens of a cluster may be revoked at once.
	MaxRevokedTokens = 5000
)

// ErrManyRevokedTokens says that a cluster remembers as many as it may.
var ErrManyRevokedTokens = fault.New(fault.Exhausted, "revoked_token_quota", "The cluster has as many revoked tokens as it may have. Have the issuer change its keys: that ends all of its tokens.")

// Validate returns a fault that names every wrong field by the API's name of it, or nil.
func (r RevokedToken) Validate() error {
	var wrong []fault.Field
	if r.ID == "" || len(r.ID) > maxTokenID {
		wrong = append(wrong, fault.Field{Name: "token_id", Reason: fmt.Sprintf("must be the token's claim jti, of 1 to %d bytes", maxTokenID)})
	}
	if r.Life < time.Second || r.Life > MaxTokenLife {
		wrong = append(wrong, fault.Field{Name: "expires_in_seconds", Reason: fmt.Sprintf("must be from 1 to %d (366 days)", int(MaxTokenLife.Seconds()))})
	}
	return fault.InvalidFields(wrong)
}
