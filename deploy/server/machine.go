package server

import (
	"context"
	"fmt"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sys/unix"

	"github.com/marina-cloud/marina/deploy/backup"
	"github.com/marina-cloud/marina/internal/home"
	"github.com/marina-cloud/marina/internal/metrics"
)

var (
	metricFree = prometheus.NewDesc("marina_disk_free_bytes",
		"What is free for everybody on the file system of a directory: home holds all data, run the sockets and unsealed keys.", []string{"directory"}, nil)
	metricSize  = prometheus.NewDesc("marina_disk_size_bytes", "Size of that file system.", []string{"directory"}, nil)
	metricSaved = prometheus.NewDesc("marina_backup_last_timestamp_seconds",
		"When the last backup that lacks nothing was made, in Unix time; absent when none ever was.", nil, nil)
)

// disk is the file system of a directory that an installation depends on.
type disk struct {
	name       string
	free, size uint64 // bytes
}

func disks(h home.Home) (all []disk, err error) {
	for _, d := range []struct{ name, dir string }{{"home", h.Dir}, {"run", h.Run()}} {
		var st unix.Statfs_t
		if err := unix.Statfs(d.dir, &st); err != nil {
			return all, fmt.Errorf("look at the disk of %s: %w", d.dir, err)
		}
		block := uint64(st.Bsize) //nolint:gosec // a size
		all = append(all, disk{d.name, st.Bavail * block, st.Blocks * block})
	}
	return all, nil
}

// machineMetrics shows what of this machine an installation depends on.
func machineMetrics(h home.Home) []prometheus.Collector {
	room := func(_ context.Context, emit func(prometheus.Metric)) error {
		all, err := disks(h)
		for _, d := range all {
			emit(metrics.Gauge(metricFree, float64(d.free), d.name))
			emit(metrics.Gauge(metricSize, float64(d.size), d.name))
		}
		return err
	}
	saved := func(_ context.Context, emit func(prometheus.Metric)) error {
		at, ok, err := backup.Last(h)
		if ok {
			emit(metrics.Gauge(metricSaved, float64(at.Unix())))
		}
		return err
	}
	return []prometheus.Collector{
		metrics.NewSnapshot("disks", room, metricFree, metricSize),
		metrics.NewSnapshot("backup", saved, metricSaved),
	}
}
