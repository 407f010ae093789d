package nodeapi

import (
	"testing"

	"github.com/marina-cloud/marina/internal/tenant"
)

// TestPullsAreShared: the machines of one cluster cannot take all places.
func TestPullsAreShared(t *testing.T) {
	t.Parallel()
	all := newImages(nil, nil)
	enter := func(c tenant.ClusterID) (n int) {
		for all.pulls.enter(c) {
			n++
		}
		return n
	}
	if n := enter("kc-greedy"); n != ofCluster {
		t.Errorf("one cluster has %d places, want %d", n, ofCluster)
	}
	if n := enter("kc-other"); n != ofCluster {
		t.Errorf("another has %d, want %d", n, ofCluster)
	}
	enter("kc-third")
	enter("kc-fourth")
	if n := enter("kc-fifth"); n != 0 {
		t.Errorf("there are %d more places than there may be", n)
	}
	all.pulls.leave("kc-greedy")
	if n := enter("kc-fifth"); n != 1 {
		t.Errorf("%d places are free after one has left, want one", n)
	}
}
