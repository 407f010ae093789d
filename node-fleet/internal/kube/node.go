package kube

import (
	"context"
	"errors"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/client-go/kubernetes"
)

// Ready says whether a Node is Ready, and if not, why, for people.
func Ready(n *corev1.Node) (ready bool, message string) {
	for _, c := range n.Status.Conditions {
		if c.Type != corev1.NodeReady {
			continue
		}
		if c.Status == corev1.ConditionTrue {
			return true, ""
		}
		return false, c.Message
	}
	return false, "The node has not reported its status yet."
}

// AwaitReady returns nil when the Node of this name is Ready, or when ctx ends.
func AwaitReady(ctx context.Context, client kubernetes.Interface, name string) error {
	// Without a resourceVersion a watch begins with what is there.
	w, err := client.CoreV1().Nodes().Watch(ctx, metav1.ListOptions{
		FieldSelector: fields.OneTermEqualSelector(metav1.ObjectNameField, name).String(),
	})
	if err != nil {
		if errors.Is(ctx.Err(), context.DeadlineExceeded) {
			return nil
		}
		return fmt.Errorf("watch node %s: %w", name, err)
	}
	defer w.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case e, open := <-w.ResultChan():
			if !open {
				return nil
			}
			if err := apierrors.FromObject(e.Object); e.Type == "ERROR" {
				return fmt.Errorf("watch node %s: %w", name, err)
			}
			if n, ok := e.Object.(*corev1.Node); ok {
				if ready, _ := Ready(n); ready {
					return nil
				}
			}
		}
	}
}

// DeleteNode removes a Node whose machine is gone, after the pods that are bound
// to it: nobody is left to confirm their end. It is no error that there is none.
func DeleteNode(ctx context.Context, client kubernetes.Interface, name string) error {
	pods, err := client.CoreV1().Pods(metav1.NamespaceAll).List(ctx, metav1.ListOptions{
		FieldSelector: fields.OneTermEqualSelector("spec.nodeName", name).String(),
	})
	if err != nil {
		return fmt.Errorf("list pods of node %s: %w", name, err)
	}
	now := int64(0)
	for _, p := range pods.Items {
		if p.Spec.NodeName != name {
			continue // never delete on the word of a selector alone
		}
		err := client.CoreV1().Pods(p.Namespace).Delete(ctx, p.Name, metav1.DeleteOptions{
			GracePeriodSeconds: &now, Preconditions: &metav1.Preconditions{UID: &p.UID},
		})
		if err != nil && !apierrors.IsNotFound(err) && !apierrors.IsConflict(err) {
			return fmt.Errorf("delete pod %s/%s: %w", p.Namespace, p.Name, err)
		}
	}
	if err := client.CoreV1().Nodes().Delete(ctx, name, metav1.DeleteOptions{}); err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("delete node %s: %w", name, err)
	}
	return nil
}
