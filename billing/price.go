package billing

import (
	"fmt"
	"time"

	"github.com/cockroachdb/apd/v3"
)

// HoursPerMonth is how many hours of a month are charged at most, 28 days: a month is
// never dearer than the price that is shown for one, however long it is.
const HoursPerMonth = 672

// Meter is what is measured to be charged.
type Meter string

// The meters.
const (
	ControlPlane Meter = "controlplane" // a cluster's control plane, by its state
	Node         Meter = "node"         // a node, by the size of its machine
)

// Running is the state of a control plane that serves.
const Running = "running"

// Price is what an hour of something costs, before tax.
type Price struct {
	Meter   Meter
	Item    string // which of what the meter measures: a state, or a size
	PerHour *apd.Decimal
}

// PerMonth is the most that a month costs.
func (p Price) PerMonth() (*apd.Decimal, error) {
	month := new(apd.Decimal)
	if _, err := exact.Mul(month, p.PerHour, apd.New(HoursPerMonth, 0)); err != nil {
		return nil, fmt.Errorf("price of a month of %s %s: %w", p.Meter, p.Item, err)
	}
	return month, nil
}

// exact refuses every operation whose result would have to be rounded.
var exact = apd.Context{
	Precision: 38, MaxExponent: apd.MaxExponent, MinExponent: apd.MinExponent,
	Traps: apd.DefaultTraps | apd.Inexact | apd.Rounded,
}

// Book is the prices in one currency from some time on, until the next book of that
// currency. It is never changed: what was charged stays explained.
type Book struct {
	ID       string
	Currency string // ISO 4217
	From     time.Time
	Prices   []Price
}

// Price returns what an item costs; ok is false for one that has no price, which is
// not on sale.
func (b Book) Price(m Meter, item string) (p Price, ok bool) {
	for _, p := range b.Prices {
		if p.Meter == m && p.Item == item {
			return p, true
		}
	}
	return Price{}, false
}
