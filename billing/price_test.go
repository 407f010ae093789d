package billing_test

import (
	"testing"

	"github.com/cockroachdb/apd/v3"

	"github.com/marina-cloud/marina/billing"
)

func decimal(t *testing.T, s string) *apd.Decimal {
	t.Helper()
	d, _, err := apd.NewFromString(s)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestPerMonth(t *testing.T) {
	t.Parallel()
	for hour, want := range map[string]string{
		"0": "0", "0.015": "10.080", "0.012": "8.064", "0.000000001": "6.72E-7", "1": "672",
	} {
		got, err := billing.Price{PerHour: decimal(t, hour)}.PerMonth()
		if err != nil || got.Cmp(decimal(t, want)) != 0 {
			t.Errorf("an hour for %s is a month for %s, %v; want %s", hour, got, err, want)
		}
	}
	tooExact := billing.Price{PerHour: decimal(t, "0.1234567890123456789012345678901234567")}
	if got, err := tooExact.PerMonth(); err == nil {
		t.Errorf("%s was rounded without a word", got)
	}
}

func TestBook(t *testing.T) {
	t.Parallel()
	b := billing.Book{Prices: []billing.Price{
		{Meter: billing.ControlPlane, Item: billing.Running, PerHour: decimal(t, "0.015")},
		{Meter: billing.Node, Item: "small", PerHour: decimal(t, "0.012")},
	}}
	if p, ok := b.Price(billing.Node, "small"); !ok || p.PerHour.String() != "0.012" {
		t.Errorf("small node: %v, %v", p, ok)
	}
	if p, ok := b.Price(billing.ControlPlane, "small"); ok {
		t.Errorf("a small control plane has the price of something else: %v", p)
	}
}
