package kube

import (
	"crypto/sha256"
	"encoding/hex"
)

// The directories of a control plane, as its processes see them.
const (
	SocketsDir = "/run/tenant"        // shared by etcd and the stack, writable
	KMSDir     = "/run/kms"           // holds the socket of the KMS plugin
	EgressDir  = "/run/egress"        // holds the socket of the way to the Internet
	PKIDir     = "/etc/marina/pki"    // unsealed key files, named by package pki
	ConfigDir  = "/etc/marina/config" // what Files returns
	MembersDir = "/run/members"       // a file for each node of the cluster
	RevokedDir = "/run/revoked"       // a file for each revoked credential
	UsesDir    = "/run/uses"          // holds UsesFile
	EtcdDir    = "/var/lib/etcd"
	AuditDir   = "/var/log/audit"
)

// The sockets in SocketsDir.
const (
	EtcdSocket   = "etcd.sock"
	APISocket    = "api.sock"    // wants PROXY protocol v2, then TLS
	TunnelSocket = "tunnel.sock" // of the konnectivity server, for agents; wants TLS
)

// Files in ConfigDir.
const (
	StackFile          = "stack.json"
	authenticationFile = "authentication.yaml"
	auditFile          = "audit.yaml"
	egressFile         = "egress.yaml"
	encryptionFile     = "encryption.yaml"
)

const (
	// UsesFile is where the stack notes when credentials were used: a JSON object from
	// their ids to seconds since 1970.
	UsesFile = "uses.json"

	// AuditFile is the newest audit log in AuditDir.
	AuditFile = "audit.log"

	// tunnelFrontend is where the API server finds the konnectivity server in its
	// own process; nobody else needs it, so it is on the private tmpfs.
	tunnelFrontend = "/tmp/tunnel.sock"

	kmsEndpoint  = "unix://" + KMSDir + "/kms.sock"
	egressSocket = EgressDir + "/egress.sock"
	etcdEndpoint = "unix://" + SocketsDir + "/" + EtcdSocket
)

// Advertised is the address of the Service kubernetes' only endpoint: a
// documentation address (RFC 5737) that is never routed. Each node has it on its
// loopback interface, where the agent listens.
const Advertised = "192.0.2.1"

// RevokedFile is how the file of a revoked credential in RevokedDir is called. Its id
// may hold whatever the issuer of a token liked to write.
func RevokedFile(credentialID string) string {
	sum := sha256.Sum256([]byte(credentialID))
	return hex.EncodeToString(sum[:])
}
