// Package authn looks at what the owner of a cluster chooses of Kubernetes'
// authentication with the very validation that an API server does: what it would not
// start with, it must never find in its file.
package authn

import (
	"encoding/json"
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/apiserver/pkg/apis/apiserver"
	v1 "k8s.io/apiserver/pkg/apis/apiserver/v1"
	"k8s.io/apiserver/pkg/apis/apiserver/validation"
	"k8s.io/apiserver/pkg/authentication/cel"

	"github.com/marina-cloud/marina/internal/fault"
	controlplane "github.com/marina-cloud/marina/tenant-controlplane"
)

// Check returns a fault that names every wrong field by upstream's name of it, or nil.
// Issuer is that of the cluster's service accounts, whose tokens it takes anyway.
func Check(a controlplane.Authentication, issuer string) error {
	wrong := a.WrongFields()
	if len(wrong) > 0 && wrong[0].Name == "jwt" { // too much to look into
		return fault.InvalidFields(wrong)
	}
	upstream, err := Upstream(a.Guarded())
	if err != nil {
		return err
	}
	for _, e := range validation.ValidateAuthenticationConfiguration(cel.NewDefaultCompiler(), upstream, []string{issuer}) {
		wrong = append(wrong, fault.Field{Name: e.Field, Reason: reason(e)})
	}
	return fault.InvalidFields(wrong)
}

// Upstream returns an authentication in Kubernetes' own terms.
func Upstream(a controlplane.Authentication) (*apiserver.AuthenticationConfiguration, error) {
	data, err := json.Marshal(a)
	if err != nil {
		return nil, fmt.Errorf("encode authentication: %w", err)
	}
	var in v1.AuthenticationConfiguration
	if err := json.Unmarshal(data, &in); err != nil {
		return nil, fmt.Errorf("decode authentication: %w", err)
	}
	out := new(apiserver.AuthenticationConfiguration)
	if err := v1.Convert_v1_AuthenticationConfiguration_To_apiserver_AuthenticationConfiguration(&in, out, nil); err != nil {
		return nil, fmt.Errorf("convert authentication: %w", err)
	}
	return out, nil
}

// reason is what is wrong, as a clause, without the value.
func reason(e *field.Error) string {
	detail, _, _ := strings.Cut(e.Detail, "\n") // what follows is a drawing of where
	switch e.Type {
	case field.ErrorTypeRequired:
		if detail == "" {
			return "is required"
		}
	case field.ErrorTypeDuplicate:
		return "is there twice"
	}
	if detail == "" {
		return strings.ToLower(e.Type.String())
	}
	return "is not right: " + detail
}
