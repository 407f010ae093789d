package client

import (
	"context"
	"net/http"
)

// SignUp has a mail sent to an address, with a link for Verify.
func (c *Client) SignUp(ctx context.Context, email string) error {
	return c.Do(ctx, http.MethodPost, "/v1/signup", map[string]string{"email": email}, nil)
}

// Verify makes an account and an organization, with the secret of the link in the mail.
func (c *Client) Verify(ctx context.Context, secret, password, organization string) (s Session, err error) {
	in := map[string]string{"secret": secret, "password": password}
	if organization != "" {
		in["organization"] = organization
	}
	return s, c.Do(ctx, http.MethodPost, "/v1/signup/verify", in, &s)
}

// ForgotPassword has a mail sent to an address, with a link for ResetPassword.
func (c *Client) ForgotPassword(ctx context.Context, email string) error {
	return c.Do(ctx, http.MethodPost, "/v1/password/forgot", map[string]string{"email": email}, nil)
}

// ResetPassword sets another password, with the secret of the link in the mail.
func (c *Client) ResetPassword(ctx context.Context, secret, password string) error {
	return c.Do(ctx, http.MethodPost, "/v1/password/reset", map[string]string{"secret": secret, "password": password}, nil)
}

// ChangePassword sets another password.
func (c *Client) ChangePassword(ctx context.Context, present, password string) error {
	return c.Do(ctx, http.MethodPost, "/v1/account/password", map[string]string{"password": present, "new_password": password}, nil)
}
