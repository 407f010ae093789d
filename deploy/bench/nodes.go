package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/marina-cloud/marina/deploy/client"
	"github.com/marina-cloud/marina/deploy/installation"
)

// pauseImage is preloaded on every node.
const pauseImage = "marina.local/pause:3.10.2"

// nodes measures how long a customer waits for nodes, and for pods on them.
func nodes(ctx context.Context, m *measurement) (err error) {
	i, err := installation.New(os.Stderr)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, i.Close(context.WithoutCancel(ctx))) }()
	if _, err := i.Start(ctx, false); err != nil {
		return err
	}
	k, err := i.Client.CreateCluster(ctx, client.NewCluster{Name: "bench"})
	if err != nil {
		return err
	}
	kube, err := reach(ctx, i.Client, k.ID)
	if err != nil {
		return err
	}
	for n := range m.runs {
		s := m.log.Begin("Run %d of %d", n+1, m.runs)
		if err := poolOnce(ctx, m, i.Client, kube, k.ID, fmt.Sprintf("bench-%d", n), s.Detail); err != nil {
			s.Failed()
			return err
		}
		s.Done("Run %d of %d", n+1, m.runs)
	}
	return nil
}

func poolOnce(ctx context.Context, m *measurement, c *client.Client, kube *kubernetes.Clientset, cluster, name string, detail func(string, ...any)) error {
	detail("pool of two")
	began := time.Now()
	p, err := c.CreatePool(ctx, cluster, client.NewPool{Name: name, Size: "medium", Count: 2})
	if err != nil {
		return err
	}
	if err := until(ctx, func() (bool, error) { return ready(ctx, kube, 2) }); err != nil {
		return fmt.Errorf("wait for nodes: %w", err)
	}
	m.add("pool2_ready_ms_p50", time.Since(began))

	detail("deployment of four")
	began = time.Now()
	d := deployment(name, 4)
	if _, err := kube.AppsV1().Deployments("default").Create(ctx, d, metav1.CreateOptions{}); err != nil {
		return fmt.Errorf("create deployment: %w", err)
	}
	err = until(ctx, func() (bool, error) {
		d, err := kube.AppsV1().Deployments("default").Get(ctx, name, metav1.GetOptions{})
		return err == nil && d.Status.AvailableReplicas == 4, err
	})
	if err != nil {
		return fmt.Errorf("wait for deployment: %w", err)
	}
	m.add("deploy4_available_ms_p50", time.Since(began))

	detail("removing the pool")
	if err := kube.AppsV1().Deployments("default").Delete(ctx, name, metav1.DeleteOptions{}); err != nil {
		return fmt.Errorf("delete deployment: %w", err)
	}
	began = time.Now()
	if err := c.DeletePool(ctx, cluster, p.ID); err != nil {
		return err
	}
	err = until(ctx, func() (bool, error) {
		p, err := c.Pool(ctx, cluster, p.ID)
		if client.IsCode(err, "pool_not_found") {
			return true, nil
		}
		return err == nil && p.Phase == "deleted", err
	})
	if err != nil {
		return fmt.Errorf("wait for the pool to go: %w", err)
	}
	m.add("pool2_deleted_ms_p50", time.Since(began))
	return nil
}

// ready reports whether the cluster has n nodes and all are Ready.
func ready(ctx context.Context, kube *kubernetes.Clientset, n int) (bool, error) {
	list, err := kube.CoreV1().Nodes().List(ctx, metav1.ListOptions{ResourceVersion: "0"})
	if err != nil {
		if apierrors.IsServiceUnavailable(err) {
			return false, nil
		}
		return false, err
	}
	for _, node := range list.Items {
		for _, c := range node.Status.Conditions {
			if c.Type == corev1.NodeReady && c.Status == corev1.ConditionTrue {
				n--
			}
		}
	}
	return n == 0, nil
}

func deployment(name string, replicas int32) *appsv1.Deployment {
	labels := map[string]string{"app": name}
	return &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: appsv1.DeploymentSpec{
			Replicas: &replicas,
			Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: labels},
				Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "pause", Image: pauseImage}}},
			},
		},
	}
}
