package gateway

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	fleet "github.com/marina-cloud/marina/node-fleet"
	controlplane "github.com/marina-cloud/marina/tenant-controlplane"
)

type versionView struct {
	Minor   string `json:"version" doc:"What to ask for." example:"1.37"`
	Full    string `json:"kubernetes_version" doc:"The release that runs." example:"v1.37.2"`
	Default bool   `json:"default"`
}

type optionsView struct {
	Versions     []versionView `json:"versions"`
	Sizes        []fleet.Size  `json:"sizes"`
	MaxPoolCount int           `json:"max_pool_count" doc:"How many nodes a pool may have."`
}

func (s *server) registerOptions(api huma.API) {
	huma.Register(api, operation("getOptions", http.MethodGet, "/v1/options", "Options",
		"Say which Kubernetes versions and node sizes are on offer", http.StatusOK), s.options)
}

func (s *server) options(context.Context, *struct{}) (*struct{ Body optionsView }, error) {
	out := &struct{ Body optionsView }{optionsView{Sizes: fleet.Sizes, MaxPoolCount: fleet.MaxPoolCount}}
	for _, v := range controlplane.Versions() {
		out.Body.Versions = append(out.Body.Versions, versionView{Minor: v.Minor, Full: v.Full, Default: v == controlplane.DefaultVersion()})
	}
	return out, nil
}
