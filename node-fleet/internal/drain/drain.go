// Package drain asks the pods of a node to leave, as `kubectl drain` does, one
// pass at a time: it never waits, so that whoever drains may be killed at any
// point, and nothing is remembered but what Kubernetes knows.
package drain

import (
	"context"
	"errors"
	"fmt"
	"io"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/kubectl/pkg/drain"
)

// Left returns how many pods still have to leave a node. Pods of DaemonSets and
// static pods stay, and do not count.
func Left(ctx context.Context, client kubernetes.Interface, node string) (int, error) {
	pods, err := leaving(helper(ctx, client), node)
	return len(pods), err
}

// Pass cordons a node and asks each pod that has to leave to do so, by eviction,
// which PodDisruptionBudgets may refuse at the moment: that is no error, and the next
// pass asks again. Pods that nothing will start elsewhere, and data in emptyDir
// volumes, go with the node.
func Pass(ctx context.Context, client kubernetes.Interface, node string) error {
	h := helper(ctx, client)
	n, err := client.CoreV1().Nodes().Get(ctx, node, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read node %s: %w", node, err)
	}
	if err := drain.RunCordonOrUncordon(h, n, true); err != nil {
		return fmt.Errorf("cordon node %s: %w", node, err)
	}
	pods, err := leaving(h, node)
	if err != nil {
		return err
	}
	for _, p := range pods {
		if p.DeletionTimestamp != nil {
			continue // it was asked
		}
		err := h.EvictPod(p, policyv1.SchemeGroupVersion)
		switch {
		case err == nil, apierrors.IsNotFound(err):
		case apierrors.IsTooManyRequests(err): // a budget says: not now
		case apierrors.IsForbidden(err) && apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause): // it goes anyway
		default:
			return fmt.Errorf("evict pod %s/%s: %w", p.Namespace, p.Name, err)
		}
	}
	return nil
}

func leaving(h *drain.Helper, node string) ([]corev1.Pod, error) {
	list, errs := h.GetPodsForDeletion(node)
	if len(errs) > 0 {
		return nil, fmt.Errorf("list pods of node %s: %w", node, errors.Join(errs...))
	}
	return list.Pods(), nil
}

func helper(ctx context.Context, client kubernetes.Interface) *drain.Helper {
	return &drain.Helper{
		Ctx: ctx, Client: client,
		Force:               true, // also pods of no controller
		GracePeriodSeconds:  -1,   // each pod's own
		IgnoreAllDaemonSets: true,
		DeleteEmptyDirData:  true,
		Out:                 io.Discard, ErrOut: io.Discard,
	}
}
