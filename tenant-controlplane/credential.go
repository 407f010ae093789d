package controlplane

import (
	"fmt"
	"time"

	"github.com/marina-cloud/marina/internal/fault"
	"github.com/marina-cloud/marina/internal/tenant"
)

// Groups are what people are to a cluster, by their role in the organization. Ordinary
// bindings that everybody can see say in each cluster what a group may do.
const (
	AdminsGroup     = "marina:admins"     // everything
	DevelopersGroup = "marina:developers" // workloads and namespaces
	ViewersGroup    = "marina:viewers"    // look, but not at Secrets
)

// CredentialKind says what a credential is for.
type CredentialKind string

// The kinds of credentials.
const (
	ForKubeconfig CredentialKind = "kubeconfig" // it lies in a file, until it ends
	ForTerminal   CredentialKind = "terminal"   // a terminal in the browser has it
	ForExec       CredentialKind = "exec"       // a program gets it for kubectl, and a new one after it
)

// How long a credential is good.
const (
	MinCredentialLife = 10 * time.Minute
	MaxCredentialLife = 30 * 24 * time.Hour
	KubeconfigLife    = 8 * time.Hour // of a kubeconfig, when nobody says
	ExecLife          = time.Hour
)

// MaxCredentials is how many credentials of a cluster may be good at once.
const MaxCredentials = 5000

// NewCredential is a credential that somebody asks for.
type NewCredential struct {
	Holder tenant.UserID // whose it is
	User   string        // who they are to Kubernetes
	Role   string        // what they are in the organization, and must be still when it is issued; empty: nobody asks
	Group  string        // what they are to Kubernetes; empty: nothing, and they get none
	Kind   CredentialKind
	Life   time.Duration
}

// Credential is a client certificate of a cluster that was issued.
type Credential struct {
	ID           tenant.CredentialID
	Organization tenant.OrganizationID
	Cluster      tenant.ClusterID
	Holder       tenant.UserID
	IssuedBy     string // usr-… or tok-…
	Kind         CredentialKind
	User         string
	Groups       []string
	KubernetesID string // by which Kubernetes tells it from others
	IssuedAt     time.Time
	ExpiresAt    time.Time
	LastUsedAt   *time.Time // to the minute; nil: never
	RevokedAt    *time.Time // nil: it was not
}

// Issued is a credential with all that it takes to use it. The key is kept nowhere.
type Issued struct {
	Credential
	ClusterName      string
	ServerName       string // in the certificate of the API server
	Authority        []byte // PEM: who signed that
	Certificate, Key []byte // PEM
}

// Revocation is a revoked credential that has not ended by itself.
type Revocation struct {
	Credential string // its KubernetesID
	Until      time.Time
}

// Faults of credentials.
var (
	ErrNoCredential    = fault.New(fault.NotFound, "credential_not_found", "There is no such credential. It may have ended.")
	ErrNoAccess        = fault.New(fault.Forbidden, "not_permitted", "Your role in the organization gives no access to the Kubernetes API of its clusters. Ask an owner or an admin.")
	ErrManyCredentials = fault.New(fault.Exhausted, "credential_quota", "The cluster has as many credentials as it may have. Revoking does not make room before they end; ask for shorter ones, or let a program keep and renew its own.")
)

// Validate returns a fault that names every wrong field by the API's name of it, or
// ErrNoAccess, or nil.
func (n NewCredential) Validate() error {
	if n.Group == "" {
		return ErrNoAccess
	}
	if n.Life < MinCredentialLife || n.Life > MaxCredentialLife {
		return fault.InvalidFields([]fault.Field{{Name: "expires_in_seconds", Reason: fmt.Sprintf(
			"must be from %d (10 minutes) to %d (30 days)", int(MinCredentialLife.Seconds()), int(MaxCredentialLife.Seconds()))}})
	}
	return nil
}
