package pki

import (
	"context"
	"crypto"
	"crypto/x509"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/marina-cloud/marina/internal/tenant"
	controlplane "github.com/marina-cloud/marina/tenant-controlplane"
	"github.com/marina-cloud/marina/tenant-controlplane/internal/reconcile"
)

// Database is what Keys needs of the database.
type Database interface {
	AsWorker(ctx context.Context, f func(pgx.Tx) error) error
}

// Secrets is what Keys needs of the secret store; see package seal.
type Secrets interface {
	Seal(ctx context.Context, key string, plaintext, additional []byte) ([]byte, error)
	Open(ctx context.Context, key string, sealed, additional []byte) ([]byte, error)
	Destroy(ctx context.Context, key string) error
}

// Keys keeps the authorities and keys of clusters: what is public in the clear,
// what is private sealed. It is safe for concurrent use.
type Keys struct {
	DB      Database
	Secrets Secrets
	Domain  string // the names of clusters end with it
	Now     func() time.Time
}

var _ reconcile.Keys = (*Keys)(nil)

// serviceAccount is the name of the key pair that signs service-account tokens.
const serviceAccount = "service-account"

// authorities of every cluster, in the order in which they are made.
var authorities = []string{reconcile.ClusterCA, reconcile.FrontProxyCA, reconcile.TunnelCA}

// ErrNotIssued says that a cluster has no such key: not yet, or no more.
var ErrNotIssued = errors.New("the key has not been issued, or was destroyed")

// row is one key of a cluster as it is stored.
type row struct {
	public []byte // PEM: a certificate, or the public key of a bare pair
	sealed []byte // the private key
}

// Issue makes what is missing of the cluster's authorities and of its
// service-account key, and stores it sealed. It is idempotent, also when two
// callers are at it.
func (k *Keys) Issue(ctx context.Context, c controlplane.Cluster) error {
	have, err := k.rows(ctx, c.ID)
	if err != nil {
		return err
	}
	fresh := map[string]row{}
	for _, name := range append([]string{serviceAccount}, authorities...) {
		if _, ok := have[name]; ok {
			continue
		}
		if fresh[name], err = k.make(ctx, c.ID, name); err != nil {
			return fmt.Errorf("issue %s: %w", name, err)
		}
	}
	if len(fresh) == 0 {
		return nil
	}
	// What somebody else stored meanwhile stays: it may be in use already.
	const insert = `INSERT INTO cluster_keys (cluster_id, organization_id, name, certificate, sealed)
		VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING`
	err = k.DB.AsWorker(ctx, func(tx pgx.Tx) error {
		batch := &pgx.Batch{}
		for name, r := range fresh {
			batch.Queue(insert, c.ID, c.Organization, name, r.public, r.sealed)
		}
		return tx.SendBatch(ctx, batch).Close()
	})
	if err != nil {
		return fmt.Errorf("store keys of %s: %w", c.ID, err)
	}
	return nil
}

// make makes one key of a cluster.
func (k *Keys) make(ctx context.Context, id tenant.ClusterID, name string) (row, error) {
	public, private, err := generate(id, name, k.Now())
	if err != nil {
		return row{}, err
	}
	sealed, err := k.Secrets.Seal(ctx, string(id), private, additional(id, name))
	if err != nil {
		return row{}, fmt.Errorf("seal: %w", err)
	}
	return row{public: public, sealed: sealed}, nil
}

// generate makes a key pair, and for an authority its certificate.
func generate(id tenant.ClusterID, name string, now time.Time) (public, private []byte, err error) {
	if name == serviceAccount {
		key, err := newKey()
		if err != nil {
			return nil, nil, err
		}
		if private, err = EncodeKey(key); err != nil {
			return nil, nil, err
		}
		public, err = encodePublic(key.Public())
		return public, private, err
	}
	a, err := NewAuthority(name+" "+string(id), now)
	if err != nil {
		return nil, nil, err
	}
	private, err = EncodeKey(a.Key)
	return encode("CERTIFICATE", a.Certificate.Raw), private, err
}

// additional binds a sealed key to its place: a row that was copied to another
// cluster or name does not open there.
func additional(id tenant.ClusterID, name string) []byte {
	return []byte("cluster_keys/" + string(id) + "/" + name)
}

// Issued reports whether all keys of a cluster exist.
func (k *Keys) Issued(ctx context.Context, id tenant.ClusterID) (bool, error) {
	rows, err := k.rows(ctx, id)
	return err == nil && complete(rows), err
}

// Usable seals something under the cluster's key: the secret store may not answer.
func (k *Keys) Usable(ctx context.Context, id tenant.ClusterID) error {
	if _, err := k.Secrets.Seal(ctx, string(id), nil, []byte("cluster_keys/"+string(id))); err != nil {
		return fmt.Errorf("seal: %w", err)
	}
	return nil
}

func complete(rows map[string]row) bool {
	for _, name := range append([]string{serviceAccount}, authorities...) {
		if _, ok := rows[name]; !ok {
			return false
		}
	}
	return true
}

// Destroy destroys every key of the cluster: what was sealed with them can never
// be opened again.
func (k *Keys) Destroy(ctx context.Context, id tenant.ClusterID) error {
	if err := k.Secrets.Destroy(ctx, string(id)); err != nil {
		return fmt.Errorf("destroy keys of %s: %w", id, err)
	}
	err := k.DB.AsWorker(ctx, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, "DELETE FROM cluster_keys WHERE cluster_id = $1", id)
		return err
	})
	if err != nil {
		return fmt.Errorf("remove keys of %s: %w", id, err)
	}
	return nil
}

// SignClient returns a client certificate (PEM) by one of the cluster's
// authorities. It returns ErrNotIssued when there is no such authority.
func (k *Keys) SignClient(ctx context.Context, id tenant.ClusterID, authority string, key crypto.PublicKey, commonName string, organizations []string, ttl time.Duration) ([]byte, error) {
	rows, err := k.rows(ctx, id)
	if err != nil {
		return nil, err
	}
	a, err := k.authority(ctx, id, authority, rows)
	if err != nil {
		return nil, err
	}
	return a.SignClient(key, Client{CommonName: commonName, Organizations: organizations}, ttl, k.Now())
}

// Certificate returns the certificate (PEM) of an authority, or ErrNotIssued.
func (k *Keys) Certificate(ctx context.Context, id tenant.ClusterID, authority string) ([]byte, error) {
	rows, err := k.rows(ctx, id)
	if err != nil {
		return nil, err
	}
	r, ok := rows[authority]
	if !ok || authority == serviceAccount {
		return nil, fmt.Errorf("%s of %s: %w", authority, id, ErrNotIssued)
	}
	return r.public, nil
}

// ServiceAccountKey returns the public key that verifies the cluster's
// service-account tokens, or ErrNotIssued.
func (k *Keys) ServiceAccountKey(ctx context.Context, id tenant.ClusterID) (crypto.PublicKey, error) {
	rows, err := k.rows(ctx, id)
	if err != nil {
		return nil, err
	}
	r, ok := rows[serviceAccount]
	if !ok {
		return nil, fmt.Errorf("%s of %s: %w", serviceAccount, id, ErrNotIssued)
	}
	return decodePublic(r.public)
}

// authority opens an authority to sign with it.
func (k *Keys) authority(ctx context.Context, id tenant.ClusterID, name string, rows map[string]row) (Authority, error) {
	key, err := k.private(ctx, id, name, rows)
	if err != nil {
		return Authority{}, err
	}
	signer, err := decodeKey(key)
	if err != nil {
		return Authority{}, fmt.Errorf("%s of %s: %w", name, id, err)
	}
	cert, err := k.certificate(id, name, rows)
	if err != nil {
		return Authority{}, err
	}
	return Authority{Certificate: cert, Key: signer}, nil
}

func (k *Keys) certificate(id tenant.ClusterID, name string, rows map[string]row) (*x509.Certificate, error) {
	r, ok := rows[name]
	if !ok {
		return nil, fmt.Errorf("%s of %s: %w", name, id, ErrNotIssued)
	}
	cert, err := decodeCertificate(r.public)
	if err != nil {
		return nil, fmt.Errorf("%s of %s: %w", name, id, err)
	}
	return cert, nil
}

// private opens a private key (PEM).
func (k *Keys) private(ctx context.Context, id tenant.ClusterID, name string, rows map[string]row) ([]byte, error) {
	r, ok := rows[name]
	if !ok {
		return nil, fmt.Errorf("%s of %s: %w", name, id, ErrNotIssued)
	}
	key, err := k.Secrets.Open(ctx, string(id), r.sealed, additional(id, name))
	if err != nil {
		return nil, fmt.Errorf("open %s of %s: %w", name, id, err)
	}
	return key, nil
}

// rows reads all keys of a cluster.
func (k *Keys) rows(ctx context.Context, id tenant.ClusterID) (map[string]row, error) {
	var found map[string]row
	err := k.DB.AsWorker(ctx, func(tx pgx.Tx) error {
		found = map[string]row{} // anew, should the transaction be repeated
		rows, err := tx.Query(ctx, "SELECT name, certificate, sealed FROM cluster_keys WHERE cluster_id = $1", id)
		if err != nil {
			return err
		}
		var name string
		var r row
		_, err = pgx.ForEachRow(rows, []any{&name, &r.public, &r.sealed}, func() error {
			found[name] = r
			r = row{}
			return nil
		})
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read keys of %s: %w", id, err)
	}
	return found, nil
}
