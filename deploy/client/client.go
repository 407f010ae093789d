// Package client speaks Marina's REST API for the command line and the tests.
package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"
)

// Client is an API client. It is safe for concurrent use.
type Client struct {
	Server string // such as http://localhost:8080
	Token  string // empty for operations that need none
	// Organization is in which of theirs a person acts; empty: in the one chosen last.
	Organization string
}

// answerLimit bounds one request with its answer. The slowest, signing up, takes
// a second of hashing on a busy machine.
const answerLimit = time.Minute

// transport follows no redirection: a password or a token must not go where the
// person did not send it.
var transport = &http.Client{
	Timeout:       answerLimit,
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
}

// Unreachable says that nothing answers at a server's address.
type Unreachable struct {
	Server string
	cause  error
}

func (u *Unreachable) Error() string {
	return fmt.Sprintf("Marina does not answer at %s: %v", u.Server, u.cause)
}

func (u *Unreachable) Unwrap() error { return u.cause }

// Problem is an error that the API answered.
type Problem struct {
	Status int    `json:"status"`
	Code   string `json:"code"`
	Detail string `json:"detail"`
	Errors []struct {
		Location string `json:"location"`
		Message  string `json:"message"`
	} `json:"errors"`
}

func (p *Problem) Error() string {
	if len(p.Errors) == 0 {
		return p.Detail
	}
	var b strings.Builder
	b.WriteString(p.Detail)
	for _, e := range p.Errors {
		fmt.Fprintf(&b, "\n  %s: %s", strings.TrimPrefix(e.Location, "body."), e.Message)
	}
	return b.String()
}

// IsCode reports whether err is the API's problem with this code.
func IsCode(err error, code string) bool {
	p, ok := errors.AsType[*Problem](err)
	return ok && p.Code == code
}

// IsTransient reports whether err may go away by itself: the API is being started
// again, or something that it needs is, or this client has asked too often.
func IsTransient(err error) bool {
	if _, ok := errors.AsType[*Unreachable](err); ok {
		return true
	}
	p, ok := errors.AsType[*Problem](err)
	return ok && (p.Status >= 500 || p.Status == http.StatusTooManyRequests)
}

// maxAnswer bounds what is read of an answer, in bytes.
const maxAnswer = 16 << 20

// Do sends a request with in as its JSON body, unless in is nil, and decodes the
// answer into out, unless out is nil; a *[]byte receives it as it is.
func (c *Client) Do(ctx context.Context, method, path string, in, out any) error {
	var body io.Reader
	if in != nil {
		data, err := json.Marshal(in)
		if err != nil {
			return fmt.Errorf("encode request: %w", err)
		}
		body = bytes.NewReader(data)
	}
	req, err := http.NewRequestWithContext(ctx, method, strings.TrimSuffix(c.Server, "/")+path, body)
	if err != nil {
		return fmt.Errorf("make request: %w", err)
	}
	if in != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	c.sign(req)
	resp, err := transport.Do(req)
	if err != nil {
		return c.unreachable(ctx, err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return c.unreachable(ctx, err)
	}
	if to := resp.Header.Get("Location"); to != "" && resp.StatusCode >= 300 && resp.StatusCode < 400 {
		return fmt.Errorf("%s sends requests on to %s: name that server instead", c.Server, to)
	}
	if resp.StatusCode >= 300 {
		p := &Problem{}
		if json.Unmarshal(data, p) != nil || p.Detail == "" {
			return fmt.Errorf("%s answered %s to %s %s: is it Marina's API?", c.Server, resp.Status, method, path)
		}
		return p
	}
	switch out := out.(type) {
	case nil:
		return nil
	case *[]byte:
		*out = data
		return nil
	default:
		if err := json.Unmarshal(data, out); err != nil {
			return fmt.Errorf("decode answer of %s to %s %s: %w", c.Server, method, path, err)
		}
		return nil
	}
}

// sign says on whose behalf a request is.
func (c *Client) sign(req *http.Request) {
	if c.Token != "" {
		req.Header.Set("Authorization", "Bearer "+c.Token)
	}
	if c.Organization != "" {
		req.Header.Set("Marina-Organization", c.Organization)
	}
}

// Stream sends a GET request and copies the answer to w as it comes, for as long as
// it goes on.
func (c *Client) Stream(ctx context.Context, path string, w io.Writer) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(c.Server, "/")+path, nil)
	if err != nil {
		return fmt.Errorf("make request: %w", err)
	}
	c.sign(req)
	endless := *transport
	endless.Timeout = 0
	resp, err := endless.Do(req)
	if err != nil {
		return c.unreachable(ctx, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		data, _ := io.ReadAll(io.LimitReader(resp.Body, maxAnswer)) // what cannot be read is no problem document
		p := &Problem{}
		if json.Unmarshal(data, p) != nil || p.Detail == "" {
			return fmt.Errorf("%s answered %s to %s: is it Marina's API?", c.Server, resp.Status, path)
		}
		return p
	}
	if _, err := io.Copy(w, resp.Body); err != nil {
		return c.unreachable(ctx, err)
	}
	return nil
}

// unreachable says why there was no answer, without the words of the HTTP client.
func (c *Client) unreachable(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if e, ok := errors.AsType[*url.Error](err); ok {
		err = e.Err
	}
	if e, ok := errors.AsType[*os.SyscallError](err); ok {
		err = e.Err
	}
	return &Unreachable{Server: c.Server, cause: err}
}

// all reads every page of a list.
func all[T any](ctx context.Context, c *Client, path string) ([]T, error) {
	return found[T](ctx, c, path, "")
}

// found reads every page of what a search finds; an empty one finds all.
func found[T any](ctx context.Context, c *Client, path, search string) ([]T, error) {
	var items []T
	cursor, with := "", "?"
	if strings.Contains(path, with) {
		with = "&"
	}
	for {
		var page struct {
			Items      []T    `json:"items"`
			NextCursor string `json:"next_cursor"`
		}
		q := url.Values{"limit": {"100"}}
		if cursor != "" {
			q.Set("cursor", cursor)
		}
		if search != "" {
			q.Set("search", search)
		}
		if err := c.Do(ctx, http.MethodGet, path+with+q.Encode(), nil, &page); err != nil {
			return nil, err
		}
		items = append(items, page.Items...)
		if page.NextCursor == "" {
			return items, nil
		}
		cursor = page.NextCursor
	}
}
