package members

import (
	"encoding/json"
	"net/http"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apiserver/pkg/endpoints/request"
)

// Users that are machines: before a node has its certificate, and afterwards. The
// rest of the user's name is the node's.
var machines = []string{"marina:bootstrap:", "system:node:"}

// Filter refuses requests of machines that are not members, and ends requests that
// are being served, such as watches, when that changes. It stands behind the API
// server's authentication, and behind impersonation: who may be a node is so only
// as long as there is one.
func (d *Directory) Filter(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name, ok := machine(r)
		if !ok {
			next.ServeHTTP(w, r)
			return
		}
		ctx, leave, ok := d.enter(r.Context(), name)
		if !ok {
			refuse(w)
			return
		}
		defer leave()
		next.ServeHTTP(w, r.WithContext(ctx))
	})
}

func machine(r *http.Request) (name string, ok bool) {
	u, known := request.UserFrom(r.Context())
	if !known {
		return "", false
	}
	for _, prefix := range machines {
		if name, ok = strings.CutPrefix(u.GetName(), prefix); ok {
			return name, true
		}
	}
	return "", false
}

// refuse answers 401, as for a certificate that nobody knows: that is what the
// machine's has become.
func refuse(w http.ResponseWriter) {
	status := apierrors.NewUnauthorized("this machine is not, or no longer, a node of the cluster").Status()
	status.Kind, status.APIVersion = "Status", "v1"
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusUnauthorized)
	_ = json.NewEncoder(w).Encode(status) // nobody is left to tell
}
