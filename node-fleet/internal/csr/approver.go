package csr

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	certificatesv1 "k8s.io/api/certificates/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes"

	"github.com/marina-cloud/marina/internal/fault"
	"github.com/marina-cloud/marina/internal/tenant"
	fleet "github.com/marina-cloud/marina/node-fleet"
)

const (
	// session is how long one watch lasts, and so how old a client may get.
	session = 5 * time.Minute
	// again is the rest after an error, and before a Wait is looked at again.
	again = 250 * time.Millisecond
	// attempt is how long a decision may take.
	attempt = 10 * time.Second
)

// Nodes knows the nodes that may have credentials.
type Nodes interface {
	// ExpectedByName returns a fault where there is none.
	ExpectedByName(ctx context.Context, cluster tenant.ClusterID, name string) (fleet.Node, error)
}

// Approver decides on the requests of one cluster. Several may work on one
// cluster at once.
type Approver struct {
	Cluster tenant.ClusterID
	Nodes   Nodes
	Client  func(context.Context, tenant.ClusterID) (kubernetes.Interface, error)
	Log     *slog.Logger
}

// Run decides on requests as they come, until ctx ends.
func (a *Approver) Run(ctx context.Context) {
	for ctx.Err() == nil {
		err := a.session(ctx)
		if err == nil || ctx.Err() != nil {
			continue
		}
		a.Log.DebugContext(ctx, "certificate requests not watched", "cluster", a.Cluster, "error", err)
		rest := time.NewTimer(again)
		select {
		case <-ctx.Done():
		case <-rest.C:
		}
		rest.Stop()
	}
}

// session watches for a while.
func (a *Approver) session(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, session)
	defer cancel()
	client, err := a.Client(ctx, a.Cluster)
	if err != nil {
		return err
	}
	// Without a resourceVersion a watch begins with what is there.
	w, err := client.CertificatesV1().CertificateSigningRequests().Watch(ctx, metav1.ListOptions{})
	if err != nil {
		return fmt.Errorf("watch certificate requests: %w", err)
	}
	defer w.Stop()
	for e := range w.ResultChan() {
		switch e.Type {
		case watch.Added, watch.Modified:
		case watch.Error:
			return fmt.Errorf("watch certificate requests: %w", apierrors.FromObject(e.Object))
		case watch.Deleted, watch.Bookmark:
			continue
		}
		r, ok := e.Object.(*certificatesv1.CertificateSigningRequest)
		if !ok {
			continue
		}
		if err := a.decide(ctx, client, r); err != nil {
			// The next session looks at it again; requests after it must not wait.
			a.Log.DebugContext(ctx, "certificate request not decided", "cluster", a.Cluster, "request", r.Name, "error", err)
			time.AfterFunc(again, cancel)
		}
	}
	if ctx.Err() != nil {
		return nil
	}
	return errors.New("the watch of certificate requests ended")
}

var errWait = errors.New("the node's address is not known yet")

func (a *Approver) decide(ctx context.Context, client kubernetes.Interface, r *certificatesv1.CertificateSigningRequest) error {
	name, ours := NodeName(r)
	if !ours {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, attempt)
	defer cancel()
	var node *fleet.Node
	switch n, err := a.Nodes.ExpectedByName(ctx, a.Cluster, name); {
	case err == nil:
		node = &n
	case errors.Is(err, fleet.ErrNotExpected):
	default:
		return fmt.Errorf("look for node %s: %w", name, fault.From(err))
	}
	verdict, why := Decide(r, node)
	condition := certificatesv1.CertificateSigningRequestCondition{
		Status: corev1.ConditionTrue, Message: why, LastUpdateTime: metav1.Now(),
	}
	switch verdict {
	case Leave:
		return nil
	case Wait:
		return errWait
	case Approve:
		condition.Type, condition.Reason = certificatesv1.CertificateApproved, "MarinaApproved"
	case Deny:
		condition.Type, condition.Reason = certificatesv1.CertificateDenied, "MarinaDenied"
	}
	r = r.DeepCopy()
	r.Status.Conditions = append(r.Status.Conditions, condition)
	_, err := client.CertificatesV1().CertificateSigningRequests().UpdateApproval(ctx, r.Name, r, metav1.UpdateOptions{})
	if apierrors.IsConflict(err) || apierrors.IsNotFound(err) {
		return nil // it changed meanwhile: the watch tells
	}
	if err != nil {
		return fmt.Errorf("decide on certificate request %s: %w", r.Name, err)
	}
	a.Log.InfoContext(ctx, "certificate request decided", "cluster", a.Cluster, "node", name,
		"signer", r.Spec.SignerName, "decision", condition.Type, "why", why)
	return nil
}
