package billing

import (
	"fmt"

	"github.com/cockroachdb/apd/v3"
)

// Use is how many of an item are in use at a time.
type Use struct {
	Meter Meter
	Item  string
	Count int64
}

// Cost is what an hour of all uses costs, before tax; ok is false when one of them
// has no price.
func (b Book) Cost(uses []Use) (perHour *apd.Decimal, ok bool, err error) {
	perHour = new(apd.Decimal)
	for _, u := range uses {
		if u.Count == 0 {
			continue
		}
		price, ok := b.Price(u.Meter, u.Item)
		if !ok {
			return nil, false, nil
		}
		part := new(apd.Decimal)
		if _, err := exact.Mul(part, price.PerHour, apd.New(u.Count, 0)); err != nil {
			return nil, false, fmt.Errorf("price of %d %s %s: %w", u.Count, u.Meter, u.Item, err)
		}
		if _, err := exact.Add(perHour, perHour, part); err != nil {
			return nil, false, fmt.Errorf("add up prices: %w", err)
		}
	}
	return perHour, true, nil
}
