package reconcile

import (
	"context"
	"crypto"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"

	"github.com/marina-cloud/marina/internal/tenant"
	controlplane "github.com/marina-cloud/marina/tenant-controlplane"
)

// The processes of a control plane, by the names that a Runtime knows them by.
const (
	Etcd  = "etcd"
	Stack = "stack"
)

// Runtime runs the processes of control planes. All methods are idempotent and
// safe for concurrent use; what they start outlives the program that asked.
type Runtime interface {
	// Start makes p run: nothing happens when a process with the same Hash
	// runs already; one with another Hash is replaced.
	Start(ctx context.Context, p Process) error
	// Stop ends a process, with SIGKILL after grace. It is gone afterwards; it is
	// no error that there was none.
	Stop(ctx context.Context, id tenant.ClusterID, name string, grace time.Duration) error
	// Observe returns the processes of a cluster by name; one that was never
	// started, or was stopped, is absent.
	Observe(ctx context.Context, id tenant.ClusterID) (map[string]ProcessState, error)
	// Clear removes the containers, cgroups and directories of sockets of a cluster,
	// and leaves its data.
	Clear(ctx context.Context, id tenant.ClusterID) error
	// Remove removes the containers, cgroups, directories of sockets and data of
	// a cluster: nothing is left.
	Remove(ctx context.Context, id tenant.ClusterID) error
}

// Process is one process of a control plane, complete: a Runtime adds no policy.
type Process struct {
	Cluster     tenant.ClusterID
	Name        string   // unique in the cluster: Etcd or Stack
	Binary      string   // a static executable on the host; the process sees it at Args[0]
	Args        []string // Args[0] is an absolute path
	Env         []string
	UID, GID    int
	Umask       uint32
	MemoryBytes int64   // hard limit; 0: none
	CPUs        float64 // hard limit in cores; 0: none
	Mounts      []Mount // the sources exist before Start
	Tmpfs       []string
	LogFile     string // standard output and error are appended here
	Revision    string // of files that the process reads only when it starts; part of Hash
}

// Mount is a directory of the host that a process sees.
type Mount struct {
	Source, Target string // absolute
	ReadOnly       bool
}

// Hash tells processes apart that must not be taken for one another: it changes
// when any field does.
func (p Process) Hash() string {
	data, err := json.Marshal(p)
	if err != nil {
		panic(fmt.Sprintf("reconcile: process %s/%s cannot be encoded: %v", p.Cluster, p.Name, err)) // plain data always can
	}
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:16])
}

// ProcessState is what a Runtime sees of one process.
type ProcessState struct {
	Running     bool
	PID         int       // as the host sees it; 0 when it does not run
	StartedAt   time.Time // of the present or the last run
	ExitedAt    time.Time // of the last exit that nobody asked for; zero when there was none
	Exit        string    // how it ended then, for people
	OutOfMemory bool      // that was because it needed more memory than its limit
	Restarts    int       // how often Start had to start it again after such an exit; 0 again after ten quiet minutes
	Hash        string    // of the Process that Start was given
}

// The names of the authorities of a cluster.
const (
	ClusterCA    = "cluster-ca"
	FrontProxyCA = "front-proxy-ca"
	TunnelCA     = "tunnel-ca"
)

// Keys are the authorities and keys of clusters, kept sealed. All methods are
// idempotent and safe for concurrent use.
type Keys interface {
	// Issue makes what is missing of the cluster's authorities and of its
	// service-account key, and stores it sealed.
	Issue(ctx context.Context, c controlplane.Cluster) error
	// Issued reports whether all of that exists.
	Issued(ctx context.Context, id tenant.ClusterID) (bool, error)
	// Usable returns seal.ErrAway when nothing of the cluster can be sealed or
	// unsealed just now.
	Usable(ctx context.Context, id tenant.ClusterID) error
	// Materialize writes what a stack needs into dir, on a tmpfs: the files that
	// package pki names, of this owner, mode 0440. Leaves that live for ten days
	// or more are left alone. Kubeconfigs refer to certificate files and do not
	// embed them, so that Kubernetes follows a renewal by itself.
	Materialize(ctx context.Context, c controlplane.Cluster, dir string, uid, gid int) error
	// Materialized reports whether Materialize would change nothing in dir.
	Materialized(ctx context.Context, c controlplane.Cluster, dir string) (bool, error)
	// Destroy destroys every key of the cluster: what was sealed with them can
	// never be opened again.
	Destroy(ctx context.Context, id tenant.ClusterID) error
	// SignClient returns a client certificate (PEM) by one of the authorities.
	SignClient(ctx context.Context, id tenant.ClusterID, authority string, key crypto.PublicKey, commonName string, organizations []string, ttl time.Duration) ([]byte, error)
	// Certificate returns the certificate (PEM) of an authority.
	Certificate(ctx context.Context, id tenant.ClusterID, authority string) ([]byte, error)
	// ServiceAccountKey returns the public key that verifies the cluster's
	// service-account tokens.
	ServiceAccountKey(ctx context.Context, id tenant.ClusterID) (crypto.PublicKey, error)
}

// KMS serves the encryption of Kubernetes Secrets on one socket per cluster.
// Methods are idempotent and safe for concurrent use.
type KMS interface {
	// Serve opens TenantRun(id)/kms/kms.sock, in a directory that exists, and
	// serves it in the background until Close; the socket's group is gid.
	Serve(ctx context.Context, id tenant.ClusterID, gid int) error
	// Serving reports whether Serve has been called and the socket is there.
	Serving(id tenant.ClusterID) bool
	// Close stops serving a cluster.
	Close(id tenant.ClusterID) error
	// Destroy closes, and destroys the cluster's data key.
	Destroy(ctx context.Context, id tenant.ClusterID) error
}

// Egress is the way out of clusters to the Internet, on one socket each. Methods are
// idempotent and safe for concurrent use.
type Egress interface {
	// Serve opens TenantRun(id)/egress/egress.sock, in a directory that exists, and
	// serves it in the background until Close; the socket's group is gid.
	Serve(ctx context.Context, id tenant.ClusterID, gid int) error
	// Serving reports whether Serve has been called and the socket is there.
	Serving(id tenant.ClusterID) bool
	// Close cuts a cluster's connections and stops serving it.
	Close(id tenant.ClusterID) error
}

// Host is what a cluster has on this machine besides its processes. All methods
// are idempotent and safe for concurrent use.
type Host interface {
	// Prepare makes the directories and configuration files of a cluster.
	Prepare(c controlplane.Cluster) error
	// Prepared reports whether Prepare would change nothing.
	Prepared(c controlplane.Cluster) (bool, error)
	// Processes are the cluster's processes as they should be.
	Processes(c controlplane.Cluster) (etcd, stack Process, err error)
	// KeysDir is where Keys.Materialize writes, and the owner of the files.
	KeysDir(c controlplane.Cluster) (dir string, uid, gid int)
	// Deny tells the cluster's API server which credentials are revoked: it refuses
	// them from then on, and ends what is open with them. It takes nothing back before
	// its time, so that who knows of fewer revocations undoes none.
	Deny(c controlplane.Cluster, revoked []controlplane.Revocation) error
	// Denied reports whether Deny would change nothing.
	Denied(c controlplane.Cluster, revoked []controlplane.Revocation) (bool, error)
	// Publish tells the router the way to the cluster, and who may take it; Withdraw
	// takes it back.
	Publish(c controlplane.Cluster) error
	Withdraw(id tenant.ClusterID) error
	// Published reports whether Publish would change nothing.
	Published(c controlplane.Cluster) (bool, error)
}

// Clusters are what the owners of clusters want at this moment. It is safe for
// concurrent use.
type Clusters interface {
	// ByID returns a cluster, or ErrNoCluster.
	ByID(ctx context.Context, id tenant.ClusterID) (controlplane.Cluster, error)
}

// Credentials are the credentials that were issued for clusters. All methods are
// idempotent and safe for concurrent use.
type Credentials interface {
	// Revocations returns those of a cluster that have not ended by themselves.
	Revocations(ctx context.Context, id tenant.ClusterID) ([]controlplane.Revocation, error)
	// ForgetCredentials removes all that is known of a cluster's.
	ForgetCredentials(ctx context.Context, id tenant.ClusterID) error
}

// API reaches into clusters. It is safe for concurrent use.
type API interface {
	// Probe asks etcd and the API server how they are.
	Probe(ctx context.Context, c controlplane.Cluster) controlplane.Health
	// Bootstrap makes or repairs the objects that Marina needs in a cluster.
	Bootstrap(ctx context.Context, c controlplane.Cluster) error
	// Forget closes the connections to a cluster.
	Forget(id tenant.ClusterID)
}

// Issuers are those whose tokens clusters take. It is safe for concurrent use.
type Issuers interface {
	// Complaint says, for people, which of a cluster's issuers cannot be asked for
	// their keys, as far as that is known; it does not wait for them.
	Complaint(c controlplane.Cluster) string
	// Forget forgets what is known of a cluster's issuers.
	Forget(id tenant.ClusterID)
}

// Dependents are what needs a cluster, such as its nodes.
type Dependents interface {
	// Release asks all of them to go, for good or until the cluster is brought back,
	// as often as it is called, and reports whether none is left.
	Release(ctx context.Context, id tenant.ClusterID, forGood bool) (gone bool, err error)
}
