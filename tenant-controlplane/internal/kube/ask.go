package kube

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/transport"

	"github.com/marina-cloud/marina/internal/tenant"
	controlplane "github.com/marina-cloud/marina/tenant-controlplane"
)

// console is Marina when it asks in a person's name. It may do nothing but that: a
// request that names nobody is refused (roles).
var console = Identity{Name: "marina:console"}

// Bounds of one question, which a tenant's process answers.
const (
	askIn     = 10 * time.Second
	maxAnswer = 8 << 20 // bytes
)

// errLarge means that an answer is larger than is read.
var errLarge = errors.New("the cluster's answer is too large")

// ask gets a path of a cluster's API in a person's name, in the media type wanted.
// Errors are the faults of looking into a cluster, and errLarge.
func (s *Clusters) ask(ctx context.Context, id tenant.ClusterID, who controlplane.Person, path string, query url.Values, accept string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, askIn)
	defer cancel()
	_, api, release := s.lend(id, console)
	defer release()
	as := transport.NewImpersonatingRoundTripper(transport.ImpersonationConfig{UserName: who.User, Groups: []string{who.Group}}, api)
	u := url.URL{Scheme: "https", Host: s.Name(id) + ":6443", Path: path, RawQuery: query.Encode()}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, fmt.Errorf("ask a cluster: %w", err)
	}
	req.Header.Set("Accept", accept)
	answer, err := as.RoundTrip(req)
	if err != nil {
		return nil, controlplane.ErrNoAnswerInside.Because(err)
	}
	defer answer.Body.Close()
	data, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswer+1))
	switch {
	case err != nil:
		return nil, controlplane.ErrNoAnswerInside.Because(err)
	case answer.StatusCode != http.StatusOK:
		return nil, refusal(answer.StatusCode, data)
	case len(data) > maxAnswer:
		return nil, errLarge
	}
	return data, nil
}

// refusal turns an API server's refusal into a fault.
func refusal(code int, body []byte) error {
	var said meta.Status
	_ = json.Unmarshal(body, &said) // without words the code has to do
	err := fmt.Errorf("the API server answered %d: %s", code, printable(said.Message, maxText))
	switch {
	case code == http.StatusForbidden:
		return controlplane.ErrNotAllowedInside.Saying("The cluster's own rules do not let you see this: %s.", printable(said.Message, maxText)).Because(err)
	case code == http.StatusGone:
		return controlplane.ErrListExpired.Because(err)
	case code == http.StatusBadRequest:
		return controlplane.ErrBadContinue.Because(err)
	case code == http.StatusTooManyRequests, code >= http.StatusInternalServerError:
		return controlplane.ErrNoAnswerInside.Because(err)
	}
	return fmt.Errorf("ask a cluster: %w", err)
}
