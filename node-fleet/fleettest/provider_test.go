package fleettest_test

import (
	"testing"

	"github.com/marina-cloud/marina/internal/tenant"
	"github.com/marina-cloud/marina/node-fleet/fleettest"
	"github.com/marina-cloud/marina/node-fleet/provider/providertest"
)

// TestProvider makes sure that what is tested with these machines may rely on
// others to do the same.
func TestProvider(t *testing.T) {
	t.Parallel()
	providertest.Run(t, func(*testing.T) providertest.Fixture {
		p := &fleettest.Provider{}
		return providertest.Fixture{Provider: p, Kill: func(_ *testing.T, id tenant.NodeID) { p.Kill(id) }}
	})
}
