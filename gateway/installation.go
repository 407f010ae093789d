package gateway

import (
	"context"
	"time"
)

// Health is how an installation is.
type Health struct {
	Checks     []Check
	Disks      []Disk
	LastBackup time.Time // that lacks nothing; zero: there never was one
}

// Check is one thing that an installation cannot do without.
type Check struct {
	Name    string `json:"name" example:"postgres"`
	OK      bool   `json:"ok"`
	Message string `json:"message,omitempty" doc:"Why it is not."`
}

// Disk is a file system that an installation depends on.
type Disk struct {
	Name string `json:"name" doc:"home holds all data, run the sockets and unsealed keys." example:"home"`
	Free uint64 `json:"free_bytes" doc:"For everybody."`
	Size uint64 `json:"size_bytes"`
}

type installationView struct {
	Version    string     `json:"version" doc:"Of Marina." example:"v0.4.0"`
	Ready      bool       `json:"ready" doc:"All checks passed."`
	Checks     []Check    `json:"checks" doc:"What it cannot do without."`
	Disks      []Disk     `json:"disks"`
	LastBackup *time.Time `json:"last_backup_at" doc:"Of the last backup that lacks nothing; null when there never was one."`
}

func (s *server) installation(ctx context.Context, _ *struct{}) (*struct{ Body installationView }, error) {
	h, err := s.Installation.Health(ctx)
	if err != nil {
		return nil, s.failed(ctx, err)
	}
	v := installationView{Version: s.Version, Ready: true, Checks: h.Checks, Disks: h.Disks}
	for _, c := range h.Checks {
		v.Ready = v.Ready && c.OK
	}
	if !h.LastBackup.IsZero() {
		v.LastBackup = &h.LastBackup
	}
	return &struct{ Body installationView }{v}, nil
}
