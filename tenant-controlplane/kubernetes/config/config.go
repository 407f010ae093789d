// Package config is the configuration file of `stack`: what the control plane of
// one tenant runs with.
//
// It holds no policy. Every flag of every component is spelled out in the file, by
// the program that writes it, so that there is one place that decides.
package config

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"
)

// maxSocketPath is the longest path of a unix socket, without the closing zero (unix(7)).
const maxSocketPath = 107

// Config is what one stack process runs.
type Config struct {
	APIServer         []string `json:"apiServer"`         // flags of kube-apiserver, --name=value
	ControllerManager []string `json:"controllerManager"` // flags of kube-controller-manager
	Scheduler         []string `json:"scheduler"`         // flags of kube-scheduler
	Listen            Listen   `json:"listen"`
	Tunnel            *Tunnel  `json:"tunnel,omitempty"` // none: the API server reaches no node
	// Members is the directory of package members; none: every certificate of a
	// machine is good until it ends.
	Members string `json:"members,omitempty"`
	// Revoked is the directory of package revoked; none: every credential is good until
	// it ends. Uses is where it notes when credentials are used; none: nowhere.
	Revoked string `json:"revoked,omitempty"`
	Uses    string `json:"uses,omitempty"`
	Limits  Limits `json:"limits"`
}

// Listen is where the API server listens. Both speak TLS.
type Listen struct {
	TCP  string `json:"tcp"`  // loopback address and port, for the controllers; no other address is accepted
	Unix string `json:"unix"` // socket for everyone else; each connection begins with a PROXY protocol v2 header
}

// Limits are how much the cluster may hold, and its audit log take. Requests are
// limited by flags.
type Limits struct {
	Cluster  string `json:"cluster"` // its name in messages
	Etcd     string `json:"etcd"`    // socket of its marina-etcd, which says how full it is
	Objects  Mark   `json:"objects"`
	Database Mark   `json:"database"` // bytes
	Audit    Audit  `json:"audit"`
}

// Mark is where writes begin to be refused: the customer's at Soft, and what is made
// on their behalf at Reserve.
type Mark struct {
	Soft    int64 `json:"soft"`
	Reserve int64 `json:"reserve"`
}

// Audit bounds what is written into the audit log, for reads and for writes each.
type Audit struct {
	EventsPerSecond int `json:"eventsPerSecond"`
	BytesPerSecond  int `json:"bytesPerSecond"`
}

// Tunnel is the konnectivity server, over which the API server reaches nodes, pods
// and services.
type Tunnel struct {
	Agents      string `json:"agents"`      // socket for the agents on the nodes: gRPC over TLS, client certificate required
	APIServer   string `json:"apiServer"`   // socket for the API server, as in its EgressSelectorConfiguration: gRPC without TLS
	Certificate string `json:"certificate"` // PEM file, shown to agents; read again when it changes
	Key         string `json:"key"`         // PEM file
	ClientCA    string `json:"clientCA"`    // PEM file of the authorities that sign the agents' certificates
}

// Read reads and checks the file at path. A field it does not know is an error: a
// misspelled one must not silently take something away from a cluster.
func Read(path string) (Config, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return Config{}, fmt.Errorf("read configuration: %w", err)
	}
	var c Config
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&c); err != nil {
		return Config{}, fmt.Errorf("decode configuration %s: %w", path, err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return Config{}, fmt.Errorf("decode configuration %s: something follows the object", path)
	}
	if err := c.Validate(); err != nil {
		return Config{}, fmt.Errorf("configuration %s: %w", path, err)
	}
	return c, nil
}

// Validate returns everything that is wrong, joined. Flags are checked by the
// components themselves.
func (c Config) Validate() error {
	var errs []error
	for _, part := range []struct {
		name  string
		flags []string
	}{{"apiServer", c.APIServer}, {"controllerManager", c.ControllerManager}, {"scheduler", c.Scheduler}} {
		if len(part.flags) == 0 {
			errs = append(errs, fmt.Errorf("%s: no flags", part.name))
		}
	}
	if addr, err := netip.ParseAddrPort(c.Listen.TCP); err != nil {
		errs = append(errs, fmt.Errorf("listen.tcp: %w", err))
	} else if !addr.Addr().IsLoopback() {
		errs = append(errs, fmt.Errorf("listen.tcp: %s is not a loopback address", addr.Addr()))
	}
	errs = append(errs, socket("listen.unix", c.Listen.Unix), c.Limits.validate())
	for field, dir := range map[string]string{"members": c.Members, "revoked": c.Revoked, "uses": c.Uses} {
		if dir != "" {
			errs = append(errs, absolute(field, dir))
		}
	}
	if t := c.Tunnel; t != nil {
		errs = append(errs,
			socket("tunnel.agents", t.Agents),
			socket("tunnel.apiServer", t.APIServer),
			absolute("tunnel.certificate", t.Certificate),
			absolute("tunnel.key", t.Key),
			absolute("tunnel.clientCA", t.ClientCA),
		)
	}
	return errors.Join(errs...)
}

func (l Limits) validate() error {
	errs := []error{socket("limits.etcd", l.Etcd)}
	if l.Cluster == "" {
		errs = append(errs, errors.New("limits.cluster: empty"))
	}
	for field, m := range map[string]Mark{"objects": l.Objects, "database": l.Database} {
		if m.Soft <= 0 || m.Reserve < m.Soft {
			errs = append(errs, fmt.Errorf("limits.%s: want 0 < soft ≤ reserve, not %d and %d", field, m.Soft, m.Reserve))
		}
	}
	if l.Audit.EventsPerSecond <= 0 || l.Audit.BytesPerSecond <= 0 {
		errs = append(errs, fmt.Errorf("limits.audit: want positive rates, not %+v", l.Audit))
	}
	return errors.Join(errs...)
}

func socket(field, path string) error {
	if len(path) > maxSocketPath {
		return fmt.Errorf("%s: %q is longer than the %d bytes of a unix socket's path", field, path, maxSocketPath)
	}
	return absolute(field, path)
}

func absolute(field, path string) error {
	if !filepath.IsAbs(path) {
		return fmt.Errorf("%s: %q is not an absolute path", field, path)
	}
	return nil
}
