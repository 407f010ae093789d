package client

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Mail is a mail that Marina wrote to a person, as its operator sees it.
type Mail struct {
	ID        string     `json:"id"`
	To        string     `json:"to"`
	Subject   string     `json:"subject"`
	Text      string     `json:"text,omitempty"`
	State     string     `json:"state"`
	Attempts  int        `json:"attempts"`
	LastError string     `json:"last_error"`
	CreatedAt time.Time  `json:"created_at"`
	EndedAt   *time.Time `json:"ended_at,omitempty"`
}

// Mails returns the last mails, the newest first: those to one address or, when it is
// empty, to all.
func (c *Client) Mails(ctx context.Context, to string) ([]Mail, error) {
	var page struct {
		Items []Mail `json:"items"`
	}
	query := url.Values{"limit": {"100"}}
	if to != "" {
		query.Set("to", to)
	}
	err := c.Do(ctx, http.MethodGet, "/v1/operator/mails?"+query.Encode(), nil, &page)
	return page.Items, err
}

// Mail returns a mail, with its text where the installation keeps mails.
func (c *Client) Mail(ctx context.Context, id string) (m Mail, err error) {
	return m, c.Do(ctx, http.MethodGet, "/v1/operator/mails/"+url.PathEscape(id), nil, &m)
}

// LinkSecret finds the secret in the text of a mail, or in a link of one; it returns
// what it is given when there is no link.
func LinkSecret(text string) string {
	_, secret, found := strings.Cut(text, "#")
	if !found {
		return strings.TrimSpace(text)
	}
	if fields := strings.Fields(secret); len(fields) > 0 {
		return fields[0]
	}
	return ""
}
