package gateway

import (
	"context"
	"net/http"

	"github.com/cockroachdb/apd/v3"
	"github.com/danielgtaylor/huma/v2"

	"github.com/marina-cloud/marina/billing"
	fleet "github.com/marina-cloud/marina/node-fleet"
	controlplane "github.com/marina-cloud/marina/tenant-controlplane"
)

type versionView struct {
	Minor   string `json:"version" doc:"What to ask for." example:"1.37"`
	Full    string `json:"kubernetes_version" doc:"The release that runs." example:"v1.37.2"`
	Default bool   `json:"default"`
}

// Prices says what things cost now.
type Prices interface {
	Prices(ctx context.Context) (billing.Book, error)
}

type priceView struct {
	Hour  string `json:"hour" doc:"Of an hour, before tax: an exact decimal." example:"0.012"`
	Month string `json:"month" doc:"The most that a month costs: 672 hours." example:"8.064"`
}

type sizeView struct {
	fleet.Size
	Price *priceView `json:"price" doc:"Of a node that is ready; null when it has none."`
}

type optionsView struct {
	Versions     []versionView `json:"versions"`
	Sizes        []sizeView    `json:"sizes" doc:"Of nodes, the smallest first."`
	MaxPoolCount int           `json:"max_pool_count" doc:"How many nodes a pool may have."`
	Currency     string        `json:"currency" doc:"Of all prices, by ISO 4217." example:"EUR"`
	ControlPlane *priceView    `json:"control_plane_price" doc:"Of a cluster's control plane that runs; null when it has none."`
}

func (s *server) registerOptions(api huma.API) {
	huma.Register(api, operation("getOptions", http.MethodGet, "/v1/options", "Options",
		"Say which Kubernetes versions and node sizes are on offer, and what they cost", http.StatusOK), s.options)
}

func (s *server) options(ctx context.Context, _ *struct{}) (*struct{ Body optionsView }, error) {
	book, err := s.Prices.Prices(ctx)
	if err != nil {
		return nil, s.failed(ctx, err)
	}
	v := optionsView{MaxPoolCount: fleet.MaxPoolCount, Currency: book.Currency}
	for _, o := range controlplane.Versions() {
		v.Versions = append(v.Versions, versionView{Minor: o.Minor, Full: o.Full, Default: o == controlplane.DefaultVersion()})
	}
	if v.ControlPlane, err = viewPrice(book, billing.ControlPlane, billing.Running); err != nil {
		return nil, s.failed(ctx, err)
	}
	for _, size := range fleet.Sizes {
		price, err := viewPrice(book, billing.Node, size.Name)
		if err != nil {
			return nil, s.failed(ctx, err)
		}
		v.Sizes = append(v.Sizes, sizeView{size, price})
	}
	return &struct{ Body optionsView }{v}, nil
}

// viewPrice shows what an item costs; nil when it has no price.
func viewPrice(b billing.Book, m billing.Meter, item string) (*priceView, error) {
	price, ok := b.Price(m, item)
	if !ok {
		return nil, nil
	}
	return viewPerHour(price)
}

func viewPerHour(price billing.Price) (*priceView, error) {
	month, err := price.PerMonth()
	if err != nil {
		return nil, err
	}
	return &priceView{Hour: plain(price.PerHour), Month: plain(month)}, nil
}

// plain writes a decimal without zeros at its end.
func plain(d *apd.Decimal) string {
	reduced, _ := new(apd.Decimal).Reduce(d)
	return reduced.Text('f')
}
