// Package revoked refuses credentials that were revoked before their end.
//
// TLS is end to end, and Kubernetes knows no revocation: a client certificate is good
// until it ends. But every way to authenticate that has credentials of its own says
// which one it was (authentication.kubernetes.io/credential-id: a digest of the
// certificate, or the id of a token). So the hosting layer keeps a directory with an
// empty file for each credential that is revoked, named by FileName. It is there
// before the API server is, and looked at for every request, outside of all caches of
// tokens and before anybody is impersonated. What is open, be it a request, a watch or
// a connection that was taken over (exec, attach, port-forward), is cut.
package revoked

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"syscall"

	"k8s.io/apiserver/pkg/authentication/authenticator"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/endpoints/responsewriter"
	"k8s.io/klog/v2"

	"github.com/marina-cloud/marina/tenant-controlplane/kubernetes/visits"
)

// ErrRevoked is why a request is refused.
var ErrRevoked = errors.New("the credential was revoked")

// List knows what is revoked. It is safe for concurrent use.
type List struct {
	path string
	open *visits.Register // by the credential's id
	uses *Uses
}

// At returns the list in the directory at path, which must be there. Uses, if not nil,
// is told which credentials are used.
func At(path string, uses *Uses) (*List, error) {
	if _, err := os.ReadDir(path); err != nil {
		return nil, fmt.Errorf("read the list of revoked credentials: %w", err)
	}
	l := &List{path: path, uses: uses}
	l.open = visits.New(l.good)
	return l, nil
}

// FileName is how the file of a revoked credential is called. An id may hold whatever
// the issuer of a token liked to write.
func FileName(credentialID string) string {
	sum := sha256.Sum256([]byte(credentialID))
	return hex.EncodeToString(sum[:])
}

// good reports whether a credential is not revoked. What cannot be looked up is not
// let in.
func (l *List) good(credentialID string) bool {
	_, err := os.Stat(filepath.Join(l.path, FileName(credentialID)))
	if err == nil {
		return false
	}
	if errors.Is(err, fs.ErrNotExist) {
		err = l.there()
	}
	if err != nil {
		klog.ErrorS(err, "Revoked credentials cannot be looked up")
		return false
	}
	return true
}

// there reports that the directory was deleted: through a mount it can still be seen,
// and is empty for ever.
func (l *List) there() error {
	var st syscall.Stat_t
	if err := syscall.Stat(l.path, &st); err != nil {
		return err
	}
	if st.Nlink == 0 {
		return errors.New("the directory was deleted")
	}
	return nil
}

// Authenticator refuses revoked credentials that next takes, and ties the request,
// which must come through Handler, to its credential.
func (l *List) Authenticator(next authenticator.Request) authenticator.Request {
	return authenticator.RequestFunc(func(r *http.Request) (*authenticator.Response, bool, error) {
		resp, ok, err := next.AuthenticateRequest(r)
		if err != nil || !ok || resp == nil || resp.User == nil {
			return resp, ok, err
		}
		for _, id := range resp.User.GetExtra()[user.CredentialIDKey] {
			if !l.admit(r.Context(), id) {
				return nil, false, ErrRevoked
			}
			l.uses.note(id, resp.User.GetName())
		}
		return resp, true, nil
	})
}

// admit reports whether a credential is good, and if so ends the request when it is so
// no more.
func (l *List) admit(ctx context.Context, credentialID string) bool {
	q, ok := ctx.Value(requestKey{}).(*request)
	if !ok { // nothing that lasts
		return l.good(credentialID)
	}
	leave, ok := l.open.Enter(credentialID, q.revoke)
	if ok {
		q.leaveLater(leave)
	}
	return ok
}

// Handler lets next serve requests in such a way that Authenticator can end them. It
// belongs around the whole of the handler chain.
func (l *List) Handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithCancel(r.Context())
		defer cancel()
		q := &request{}
		q.revoked, q.revoke = context.WithCancel(context.Background()) // not when the request ends
		defer q.end()
		defer context.AfterFunc(q.revoked, cancel)()
		ctx = context.WithValue(ctx, requestKey{}, q)
		next.ServeHTTP(responsewriter.WrapForHTTP1Or2(&writer{w, q}), r.WithContext(ctx))
	})
}

type requestKey struct{}

// request is a request that is being served.
type request struct {
	revoked context.Context // ends when its credential is revoked
	revoke  context.CancelFunc

	mu     sync.Mutex
	ended  bool
	leaves []func()
}

// leaveLater calls leave when the request has ended: at once if it has, because the
// API server answers a request that takes too long and works on.
func (q *request) leaveLater(leave func()) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.ended {
		leave()
		return
	}
	q.leaves = append(q.leaves, leave)
}

func (q *request) end() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.ended = true
	for _, leave := range q.leaves {
		leave()
	}
}
