// Package kube is what Marina knows about running Kubernetes: the flags and files
// that a control plane runs with (pure), and how Marina's own clients reach it.
package kube
