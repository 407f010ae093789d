package kube

import (
	"slices"
	"testing"
)

func TestFailedChecks(t *testing.T) {
	t.Parallel()
	const body = `[+]ping ok
[-]etcd failed: reason withheld
[+]informer-sync ok
[-]poststarthook/rbac/bootstrap-roles failed: reason withheld
readyz check failed
`
	want := []string{"etcd", "poststarthook/rbac/bootstrap-roles"}
	if got := failedChecks(body); !slices.Equal(got, want) {
		t.Errorf("failed checks = %v, want %v", got, want)
	}
	if got := failedChecks("ok"); got != nil {
		t.Errorf("failed checks of a healthy server = %v", got)
	}
}
