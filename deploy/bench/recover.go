package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/marina-cloud/marina/deploy/client"
	"github.com/marina-cloud/marina/deploy/host"
	"github.com/marina-cloud/marina/deploy/installation"
	"github.com/marina-cloud/marina/internal/home"
)

const recovering = 20 // clusters

// recoverAll kills every process of an installation at once and measures until its
// server is started again and every one of its clusters can be used: a customer's
// client, with the credentials of before, creates an object in it.
func recoverAll(ctx context.Context, m *measurement) (err error) {
	i, err := installation.New(os.Stderr)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, i.Close(context.WithoutCancel(ctx))) }()
	if _, err := i.Start(ctx, false); err != nil {
		return err
	}
	h, err := home.At(i.Home)
	if err != nil {
		return err
	}
	clients := make([]kubernetes.Interface, recovering)
	for n := range clients {
		s := m.log.Begin("Cluster %d of %d", n+1, recovering)
		k, err := i.Client.CreateCluster(ctx, client.NewCluster{Name: fmt.Sprintf("recover-%d", n)})
		if err == nil {
			clients[n], err = reach(ctx, i.Client, k.ID)
		}
		if err == nil {
			err = use(ctx, clients[n])
		}
		if err != nil {
			s.Failed()
			return err
		}
		s.Done("Cluster %d of %d: usable", n+1, recovering)
	}
	for run := range m.runs {
		if err := killAll(h); err != nil {
			return err
		}
		began := time.Now()
		if _, err := i.Start(ctx, false); err != nil {
			return err
		}
		m.record("server_s", time.Since(began).Seconds())
		var group errgroup.Group
		for _, kube := range clients {
			group.Go(func() error { return createObject(ctx, kube, fmt.Sprintf("run-%d", run)) })
		}
		if err := group.Wait(); err != nil {
			return err
		}
		m.record("all_usable_s", time.Since(began).Seconds())
	}
	return nil
}

func createObject(ctx context.Context, kube kubernetes.Interface, name string) error {
	var last error
	err := until(ctx, func() (bool, error) {
		object := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: name}}
		_, last = kube.CoreV1().ConfigMaps("default").Create(ctx, object, metav1.CreateOptions{})
		if apierrors.IsAlreadyExists(last) { // an answer was lost
			last = nil
		}
		return last == nil, nil
	})
	return errors.Join(err, last)
}

// killAll kills the server, every router, Postgres and the first process of every
// container, and returns when all of them are gone.
func killAll(h home.Home) error {
	var pids []int
	server, ok, err := host.Find(host.ServerFile(h))
	if err != nil {
		return err
	}
	if ok {
		pids = append(pids, server.PID)
	}
	routers, err := host.Routers(h)
	if err != nil {
		return err
	}
	for _, r := range routers {
		pids = append(pids, r.PID)
	}
	postgres, err := os.ReadFile(h.Path("postgres", "postmaster.pid"))
	if err != nil {
		return fmt.Errorf("find Postgres: %w", err)
	}
	first, _, _ := strings.Cut(string(postgres), "\n")
	pid, err := strconv.Atoi(first)
	if err != nil {
		return fmt.Errorf("find Postgres: %w", err)
	}
	pids = append(pids, pid)
	states, err := filepath.Glob(filepath.Join(h.Runc(), "*", "state.json"))
	if err != nil {
		return fmt.Errorf("find containers: %w", err)
	}
	for _, file := range states {
		var state struct {
			PID int `json:"init_process_pid"`
		}
		text, err := os.ReadFile(file)
		if err == nil {
			err = json.Unmarshal(text, &state)
		}
		if err != nil {
			return fmt.Errorf("find containers: %s: %w", file, err)
		}
		pids = append(pids, state.PID)
	}
	for _, pid := range pids {
		if err := unix.Kill(pid, unix.SIGKILL); err != nil {
			return fmt.Errorf("kill process %d: %w", pid, err)
		}
	}
	for _, pid := range pids {
		for alive(pid) {
			time.Sleep(step)
		}
	}
	return nil
}

// alive is false of a process that is gone, or that only waits for somebody to ask
// how it ended.
func alive(pid int) bool {
	stat, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	if err != nil {
		return false
	}
	_, rest, _ := strings.Cut(string(stat), ") ")
	return !strings.HasPrefix(rest, "Z")
}
