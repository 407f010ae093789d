package controlplaneapp

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/marina-cloud/marina/internal/seal"
	"github.com/marina-cloud/marina/internal/tenant"
	controlplane "github.com/marina-cloud/marina/tenant-controlplane"
	"github.com/marina-cloud/marina/tenant-controlplane/internal/postgres"
	"github.com/marina-cloud/marina/tenant-controlplane/internal/reconcile"
)

// IssueCredential issues a client certificate for the cluster's API. It is known and
// can be revoked from before the caller has it. Errors are those of
// NewCredential.Validate, ErrNoCluster, ErrNotRunning while nobody could use it,
// ErrManyCredentials and ErrSecrets.
func (a *App) IssueCredential(ctx context.Context, org tenant.OrganizationID, actor, address string, id tenant.ClusterID, n controlplane.NewCredential) (controlplane.Issued, error) {
	c, err := a.clusters.ByID(ctx, org, id)
	if err != nil {
		return controlplane.Issued{}, err
	}
	if err := n.Validate(); err != nil {
		return controlplane.Issued{}, err
	}
	if !c.Usable() {
		return controlplane.Issued{}, controlplane.ErrNotRunning.Saying("The cluster %s is not running: its phase is %s.", c.Name, c.Phase)
	}
	issued := controlplane.Issued{
		Credential: controlplane.Credential{
			ID: tenant.NewCredentialID(), Organization: org, Cluster: id, Holder: n.Holder, IssuedBy: actor, Kind: n.Kind,
			User: n.User, Groups: []string{n.Group}, IssuedAt: now(),
		},
		ClusterName: c.Name, ServerName: a.serverName(id),
	}
	if err := a.sign(ctx, &issued, n.Life); err != nil {
		return controlplane.Issued{}, err
	}
	by := postgres.Asker{Organization: org, Actor: actor, Address: address}
	if err := a.clusters.AddCredential(ctx, by, issued.Credential, n.Role); err != nil {
		return controlplane.Issued{}, err
	}
	return issued, nil
}

// sign fills in the certificate, and what is known only from it.
func (a *App) sign(ctx context.Context, i *controlplane.Issued, life time.Duration) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return fmt.Errorf("generate key: %w", err)
	}
	i.Certificate, err = a.keys.SignClient(ctx, i.Cluster, reconcile.ClusterCA, key.Public(), i.User, i.Groups, life)
	if errors.Is(err, seal.ErrAway) {
		return controlplane.ErrSecrets.Because(err)
	}
	if err != nil {
		return fmt.Errorf("sign certificate: %w", err)
	}
	block, _ := pem.Decode(i.Certificate)
	if block == nil {
		return errors.New("sign certificate: no certificate came back")
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return fmt.Errorf("sign certificate: %w", err)
	}
	// As Kubernetes calls it: KEP-4193 for tokens, and the same for certificates.
	digest := sha256.Sum256(cert.Raw)
	i.KubernetesID = "X509SHA256=" + hex.EncodeToString(digest[:])
	i.ExpiresAt = cert.NotAfter.UTC()
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return fmt.Errorf("encode key: %w", err)
	}
	i.Key = pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
	if i.Authority, err = a.keys.Certificate(ctx, i.Cluster, reconcile.ClusterCA); err != nil {
		return fmt.Errorf("read authority: %w", err)
	}
	return nil
}

// Credentials returns up to limit of the cluster's credentials that have not ended,
// with ids behind after, the oldest first; or ErrNoCluster.
func (a *App) Credentials(ctx context.Context, org tenant.OrganizationID, id tenant.ClusterID, after string, limit int) ([]controlplane.Credential, error) {
	if _, err := a.clusters.ByID(ctx, org, id); err != nil {
		return nil, err
	}
	if err := a.noteUses(ctx, id); err != nil {
		a.log.WarnContext(ctx, "uses of credentials not read", "cluster", id, "error", err)
	}
	return a.clusters.Credentials(ctx, org, id, now(), after, limit)
}

// Credential returns one of them, or ErrNoCredential.
func (a *App) Credential(ctx context.Context, org tenant.OrganizationID, cluster tenant.ClusterID, id tenant.CredentialID) (controlplane.Credential, error) {
	return a.clusters.Credential(ctx, org, cluster, id, now())
}

// RevokeCredential revokes one: when it returns, the cluster's API server takes it no
// more, and what is open with it ends within a second. To do it again changes nothing.
// It returns ErrNoCredential when there is none.
func (a *App) RevokeCredential(ctx context.Context, org tenant.OrganizationID, actor, address string, cluster tenant.ClusterID, id tenant.CredentialID) error {
	by := postgres.Asker{Organization: org, Actor: actor, Address: address}
	if err := a.clusters.Revoke(ctx, by, cluster, id, now()); err != nil {
		return err
	}
	a.publishRevocations(ctx, cluster)
	return nil
}

// RevokeToken has the cluster take a token no more that Marina did not issue: of an
// issuer that the owner named, or of a service account. It is done when it returns, as
// RevokeCredential. Errors are those of RevokedToken.Validate, ErrNoCluster and
// ErrManyRevokedTokens.
func (a *App) RevokeToken(ctx context.Context, org tenant.OrganizationID, actor, address string, cluster tenant.ClusterID, r controlplane.RevokedToken) error {
	if _, err := a.clusters.ByID(ctx, org, cluster); err != nil {
		return err
	}
	if err := r.Validate(); err != nil {
		return err
	}
	by := postgres.Asker{Organization: org, Actor: actor, Address: address}
	if err := a.clusters.RevokeToken(ctx, by, cluster, r.ID, now().Add(r.Life)); err != nil {
		return err
	}
	a.publishRevocations(ctx, cluster)
	return nil
}

// RevokeCredentialsOf revokes in tx, which is a transaction of the organization, all
// credentials that a person has for its clusters. What it returns is called when tx is
// committed: the API servers take them no more when it returns.
func (a *App) RevokeCredentialsOf(ctx context.Context, tx pgx.Tx, org tenant.OrganizationID, actor, address string, holder tenant.UserID) (publish func(context.Context), err error) {
	by := postgres.Asker{Organization: org, Actor: actor, Address: address}
	clusters, err := postgres.RevokeOf(ctx, tx, by, holder, now())
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context) { a.publishRevocations(ctx, clusters...) }, nil
}

// publishRevocations tells clusters of credentials that were revoked. The rows are what
// counts, and the reconciler will see them. But it may be busy with a cluster, or wait
// for something: what is urgent is done here.
func (a *App) publishRevocations(ctx context.Context, clusters ...tenant.ClusterID) {
	a.hurry()
	ctx = context.WithoutCancel(ctx)
	for _, id := range clusters {
		c, err := a.work.ByID(ctx, id)
		if err == nil {
			err = a.place.Deny(ctx, c)
		}
		if err != nil {
			a.log.WarnContext(ctx, "revoked credentials not published at once", "cluster", id, "error", err)
		}
	}
}

const (
	usesPeriod     = 30 * time.Second // how often clusters' notes are read
	rememberedEnds = 24 * time.Hour   // how long rows of ended credentials are kept
)

// keepCredentials reads which credentials are used, and forgets those that ended long
// ago, until ctx ends.
func (a *App) keepCredentials(ctx context.Context) error {
	tick := time.NewTicker(usesPeriod)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		if err := a.keepCredentialsOnce(ctx); err != nil && ctx.Err() == nil {
			a.log.WarnContext(ctx, "credentials not kept", "error", err)
		}
	}
}

func (a *App) keepCredentialsOnce(ctx context.Context) error {
	alive, err := a.work.Alive(ctx)
	if err != nil {
		return err
	}
	var errs []error
	for _, c := range alive {
		if err := a.noteUses(ctx, c.ID); err != nil {
			errs = append(errs, fmt.Errorf("cluster %s: %w", c.ID, err))
		}
	}
	a.uses.keep(alive)
	return errors.Join(append(errs, a.work.ForgetEnded(ctx, now().Add(-rememberedEnds)))...)
}

// noteUses takes over what a cluster's control plane has noted.
func (a *App) noteUses(ctx context.Context, id tenant.ClusterID) error {
	last, at, err := a.files.Uses(id, a.uses.read(id))
	if err != nil || len(last) == 0 {
		return err
	}
	if err := a.work.NoteUses(ctx, id, last); err != nil {
		return err
	}
	a.uses.done(id, at)
	return nil
}
