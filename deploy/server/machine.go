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

// machineMetrics shows what of this machine an installation depends on.
func machineMetrics(h home.Home) []prometheus.Collector {
	disks := func(_ context.Context, emit func(prometheus.Metric)) error {
		for name, dir := range map[string]string{"home": h.Dir, "run": h.Run()} {
			var st unix.Statfs_t
			if err := unix.Statfs(dir, &st); err != nil {
				return fmt.Errorf("look at the disk of %s: %w", dir, err)
			}
			emit(metrics.Gauge(metricFree, float64(st.Bavail)*float64(st.Bsize), name))
			emit(metrics.Gauge(metricSize, float64(st.Blocks)*float64(st.Bsize), name))
		}
		return nil
	}
	saved := func(_ context.Context, emit func(prometheus.Metric)) error {
		at, ok, err := backup.Last(h)
		if ok {
			emit(metrics.Gauge(metricSaved, float64(at.Unix())))
		}
		return err
	}
	return []prometheus.Collector{
		metrics.NewSnapshot("disks", disks, metricFree, metricSize),
		metrics.NewSnapshot("backup", saved, metricSaved),
	}
}
