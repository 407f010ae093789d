package billing_test

import (
	"testing"

	"github.com/cockroachdb/apd/v3"

	"github.com/marina-cloud/marina/billing"
)

func TestCost(t *testing.T) {
	t.Parallel()
	b := billing.Book{Prices: []billing.Price{
		{Meter: billing.ControlPlane, Item: billing.Running, PerHour: apd.New(15, -3)},
		{Meter: billing.Node, Item: "small", PerHour: apd.New(12, -3)},
		{Meter: billing.Node, Item: "precise", PerHour: decimal(t, "0.1234567890123456789012345678901234567")},
	}}
	one := billing.Use{Meter: billing.ControlPlane, Item: billing.Running, Count: 1}
	node := func(size string, n int64) billing.Use { return billing.Use{Meter: billing.Node, Item: size, Count: n} }
	for _, c := range []struct {
		uses []billing.Use
		want string // "" for no price, "!" for an error
	}{
		{nil, "0"},
		{[]billing.Use{one}, "0.015"},
		{[]billing.Use{one, node("small", 3), one}, "0.066"},
		{[]billing.Use{one, node("unknown", 0)}, "0.015"},
		{[]billing.Use{one, node("unknown", 1)}, ""},
		{[]billing.Use{node("precise", 1000), one}, "!"},
	} {
		got, ok, err := b.Cost(c.uses)
		switch c.want {
		case "!":
			if err == nil {
				t.Errorf("%v: %s was rounded without a word", c.uses, got)
			}
		case "":
			if ok || err != nil {
				t.Errorf("%v costs %s, %v", c.uses, got, err)
			}
		default:
			if !ok || err != nil || got.Cmp(decimal(t, c.want)) != 0 {
				t.Errorf("%v costs %s, %v, %v; want %s", c.uses, got, ok, err, c.want)
			}
		}
	}
}
