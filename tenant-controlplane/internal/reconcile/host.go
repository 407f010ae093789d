package reconcile

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"syscall"

	"github.com/marina-cloud/marina/internal/home"
	"github.com/marina-cloud/marina/internal/route"
	"github.com/marina-cloud/marina/internal/tenant"
	controlplane "github.com/marina-cloud/marina/tenant-controlplane"
	"github.com/marina-cloud/marina/tenant-controlplane/internal/kube"
)

// Files is the Host of this machine: directories below a home, and the static
// executables that control planes run.
type Files struct {
	Home       home.Home
	Etcd       string
	Kubernetes map[string]string // by minor
	Limits     controlplane.Limits
}

// systemRoots is where Debian and Ubuntu keep the certificates of public
// authorities, and where Go's crypto/x509 looks for them. An API server that calls a
// public webhook or token issuer trusts what this machine does.
const systemRoots = "/etc/ssl/certs"

// Below a cluster's directory of sockets and keys, which is on a tmpfs.
const (
	socketsDir = "sock"
	kmsDir     = "kms"
	egressDir  = "egress"
	pkiDir     = "pki"
	configDir  = "config"
)

// Below a cluster's directory of data.
const (
	etcdDir  = "etcd"
	AuditDir = "audit" // of audit logs; the stack writes there
	LogDir   = "log"   // of the processes' output; nobody but root gets there
)

// Sockets is the directory of a cluster's sockets.
func Sockets(h home.Home, id tenant.ClusterID) string {
	return filepath.Join(h.TenantRun(id), socketsDir)
}

// EtcdData is the directory of a cluster's etcd.
func EtcdData(h home.Home, id tenant.ClusterID) string { return filepath.Join(h.Tenant(id), etcdDir) }

// directory is one directory of a cluster. What only the hosting layer may enter
// belongs to root; processes see theirs through mounts, past the parents.
type directory struct {
	path     string
	mode     fs.FileMode
	uid, gid int
}

func (f Files) directories(c controlplane.Cluster) []directory {
	etcd, stack := f.Home.UIDs(c.UIDSlot) // the first is the shared group, too
	run, data := f.Home.TenantRun(c.ID), f.Home.Tenant(c.ID)
	return []directory{
		{run, 0o700, 0, 0},
		{filepath.Join(run, socketsDir), 0o770, etcd, etcd},
		{filepath.Join(run, kmsDir), 0o750, 0, etcd},
		{filepath.Join(run, egressDir), 0o750, 0, etcd},
		{filepath.Join(run, pkiDir), 0o750, 0, etcd},
		{filepath.Join(run, configDir), 0o750, 0, etcd},
		{f.Home.Members(c.ID), 0o750, 0, etcd},
		{f.Home.Revoked(c.ID), 0o750, 0, etcd},
		{f.Home.Uses(c.ID), 0o700, stack, etcd},
		{data, 0o700, 0, 0},
		{EtcdData(f.Home, c.ID), 0o700, etcd, etcd},
		{filepath.Join(data, AuditDir), 0o700, stack, etcd},
		{filepath.Join(data, LogDir), 0o700, 0, 0},
	}
}

// Prepare implements Host.
func (f Files) Prepare(c controlplane.Cluster) error {
	for _, d := range f.directories(c) {
		if err := d.ensure(); err != nil {
			return err
		}
	}
	_, gid := f.owner(c)
	for name, data := range kube.Files(c, f.Limits) {
		if err := replace(f.config(c, name), data, gid); err != nil {
			return err
		}
	}
	return nil
}

// Prepared implements Host.
func (f Files) Prepared(c controlplane.Cluster) (bool, error) {
	for _, d := range f.directories(c) {
		if ok, err := d.right(); !ok || err != nil {
			return false, err
		}
	}
	for name, want := range kube.Files(c, f.Limits) {
		have, err := os.ReadFile(f.config(c, name))
		if errors.Is(err, fs.ErrNotExist) {
			return false, nil
		}
		if err != nil {
			return false, fmt.Errorf("read configuration: %w", err)
		}
		if !bytes.Equal(have, want) {
			return false, nil
		}
	}
	return true, nil
}

// KeysDir implements Host.
func (f Files) KeysDir(c controlplane.Cluster) (dir string, uid, gid int) {
	uid, gid = f.owner(c)
	return filepath.Join(f.Home.TenantRun(c.ID), pkiDir), uid, gid
}

// owner is the user of the stack, and the group that it shares with etcd.
func (f Files) owner(c controlplane.Cluster) (uid, gid int) {
	gid, uid = f.Home.UIDs(c.UIDSlot)
	return uid, gid
}

func (f Files) config(c controlplane.Cluster, name string) string {
	return filepath.Join(f.Home.TenantRun(c.ID), configDir, name)
}

// Processes implements Host.
func (f Files) Processes(c controlplane.Cluster) (etcd, stack Process, err error) {
	binary, ok := f.Kubernetes[c.Version]
	if !ok {
		return etcd, stack, fmt.Errorf("no program for Kubernetes %s is installed", c.Version)
	}
	uid, gid := f.owner(c)
	run, data := f.Home.TenantRun(c.ID), f.Home.Tenant(c.ID)
	etcd = Process{
		Cluster: c.ID, Name: Etcd, Binary: f.Etcd,
		Args: append([]string{"/marina-etcd"}, kube.EtcdArgs(f.Limits)...),
		Env:  []string{"GOGC=50", memoryLimit(f.Limits.Etcd)},
		UID:  gid, GID: gid, Umask: 0o007,
		MemoryBytes: f.Limits.Etcd.MemoryBytes, CPUs: f.Limits.Etcd.CPUs,
		Mounts: []Mount{
			{Source: filepath.Join(run, socketsDir), Target: kube.SocketsDir},
			{Source: EtcdData(f.Home, c.ID), Target: kube.EtcdDir},
		},
		LogFile: filepath.Join(data, LogDir, "etcd.log"),
	}
	stack = Process{
		Cluster: c.ID, Name: Stack, Binary: binary,
		Args: append([]string{"/marina-kubernetes"}, kube.StackArgs()...),
		Env:  []string{"HOME=/tmp", memoryLimit(f.Limits.Stack)},
		UID:  uid, GID: gid, Umask: 0o007,
		MemoryBytes: f.Limits.Stack.MemoryBytes, CPUs: f.Limits.Stack.CPUs,
		Mounts: []Mount{
			{Source: filepath.Join(run, socketsDir), Target: kube.SocketsDir},
			{Source: filepath.Join(run, kmsDir), Target: kube.KMSDir, ReadOnly: true},
			{Source: filepath.Join(run, egressDir), Target: kube.EgressDir, ReadOnly: true},
			{Source: filepath.Join(run, pkiDir), Target: kube.PKIDir, ReadOnly: true},
			{Source: filepath.Join(run, configDir), Target: kube.ConfigDir, ReadOnly: true},
			{Source: f.Home.Members(c.ID), Target: kube.MembersDir, ReadOnly: true},
			{Source: f.Home.Revoked(c.ID), Target: kube.RevokedDir, ReadOnly: true},
			{Source: f.Home.Uses(c.ID), Target: kube.UsesDir},
			{Source: filepath.Join(data, AuditDir), Target: kube.AuditDir},
		},
		Tmpfs:    []string{"/tmp"},
		LogFile:  filepath.Join(data, LogDir, "stack.log"),
		Revision: revision(kube.Fixed(c, f.Limits)),
	}
	if info, err := os.Stat(systemRoots); err == nil && info.IsDir() {
		stack.Mounts = append(stack.Mounts, Mount{Source: systemRoots, Target: systemRoots, ReadOnly: true})
	}
	return etcd, stack, nil
}

// memoryLimit is where the Go runtime begins to save memory: short of where the
// kernel kills.
func memoryLimit(l controlplane.ProcessLimits) string {
	return fmt.Sprintf("GOMEMLIMIT=%d", l.MemoryBytes/10*9)
}

// revision is a digest of files.
func revision(files map[string][]byte) string {
	h := sha256.New()
	for _, name := range slices.Sorted(maps.Keys(files)) {
		fmt.Fprintf(h, "%s %d\n%s", name, len(files[name]), files[name])
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// Publish implements Host.
func (f Files) Publish(c controlplane.Cluster) error {
	return route.Publish(f.Home.Routes(), c.ID, f.route(c))
}

// Withdraw implements Host.
func (f Files) Withdraw(id tenant.ClusterID) error { return route.Withdraw(f.Home.Routes(), id) }

// Published implements Host.
func (f Files) Published(c controlplane.Cluster) (bool, error) {
	r, ok, err := route.Find(f.Home.Routes(), c.ID)
	return ok && r.Equal(f.route(c)), err
}

func (f Files) route(c controlplane.Cluster) route.Route {
	return route.Route{
		API:      filepath.Join(Sockets(f.Home, c.ID), kube.APISocket),
		Tunnel:   filepath.Join(Sockets(f.Home, c.ID), kube.TunnelSocket),
		Networks: c.Networks,
	}
}

func (d directory) ensure() error {
	if err := os.MkdirAll(d.path, 0o700); err != nil {
		return fmt.Errorf("make directory: %w", err)
	}
	if err := os.Chown(d.path, d.uid, d.gid); err != nil {
		return fmt.Errorf("give directory to its user: %w", err)
	}
	if err := os.Chmod(d.path, d.mode); err != nil { // after Chown, and past the umask
		return fmt.Errorf("set mode of directory: %w", err)
	}
	return nil
}

func (d directory) right() (bool, error) {
	info, err := os.Lstat(d.path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("look at directory: %w", err)
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	return ok && info.IsDir() && info.Mode().Perm() == d.mode && int(st.Uid) == d.uid && int(st.Gid) == d.gid, nil
}

// replace writes a file atomically, readable by a group.
func replace(path string, data []byte, gid int) error {
	if have, err := os.ReadFile(path); err == nil && bytes.Equal(have, data) {
		return nil
	}
	next := filepath.Join(filepath.Dir(path), "."+filepath.Base(path))
	if err := os.WriteFile(next, data, 0o640); err != nil {
		return fmt.Errorf("write configuration: %w", err)
	}
	if err := os.Chown(next, 0, gid); err != nil {
		return fmt.Errorf("give configuration to its group: %w", err)
	}
	if err := os.Rename(next, path); err != nil {
		return fmt.Errorf("put configuration in place: %w", err)
	}
	return nil
}
