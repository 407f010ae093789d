//go:build integration

package crash_test

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/marina-cloud/marina/deploy/host"
	"github.com/marina-cloud/marina/internal/home"
	"github.com/marina-cloud/marina/migrations/pgserver"
)

// remembering are the tables of what was: nothing in them is ever removed at once.
var remembering = []string{"audit_log", "goose_db_version", "idempotency_keys", "mails", "outbox", "sessions", "signups", "tokens"}

// census lists everything of an installation that belongs to a cluster, a pool or a
// node: containers, processes in them, mounts, links, cgroups, sockets, files, rows.
func census(t *testing.T, h home.Home) []string {
	t.Helper()
	var all []string
	add := func(kind string, names ...string) {
		for _, n := range names {
			if n != "" {
				all = append(all, kind+" "+n)
			}
		}
	}
	for kind, pattern := range map[string]string{
		"container":         filepath.Join(h.Runc(), "*"),
		"route":             filepath.Join(h.Routes(), "*"),
		"identity":          filepath.Join(h.Nodes(), "*"),
		"socket directory":  h.TenantRun("*"),
		"data of a cluster": h.Tenant("*"),
		"data of a machine": h.Machine("*"),
	} {
		found, err := filepath.Glob(pattern)
		check(t, err)
		add(kind, found...)
	}
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	check(t, err)
	for line := range strings.Lines(string(mounts)) {
		at := strings.Fields(line)[4]
		if strings.HasPrefix(at, h.Dir+"/") || strings.HasPrefix(at, h.Run()+"/") {
			add("mount", at)
		}
	}
	_ = filepath.WalkDir("/sys/fs/cgroup", func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() && strings.Contains(path, h.Cgroup()+"/") {
			add("cgroup", path)
		}
		return nil // groups go while they are looked at
	})
	if _, err := os.Stat(h.NetworkNamespace()); err == nil {
		out, err := exec.CommandContext(t.Context(), "nsenter", "--net="+h.NetworkNamespace(), "ip", "-o", "link").Output()
		check(t, err)
		for line := range strings.Lines(string(out)) {
			name, _, _ := strings.Cut(strings.Fields(line)[1], "@")
			add("link", strings.TrimSuffix(name, ":"))
		}
	}
	all = append(all, rows(t, h)...)
	slices.Sort(all)
	return all
}

// rows counts the rows of every table that is not there to remember. What has a
// phase stays when it is deleted, for the bill and for who asks what happened, and
// counts no more.
func rows(t *testing.T, h home.Home) []string {
	t.Helper()
	ctx := context.WithoutCancel(t.Context())
	config, err := pgx.ParseConfig(pgserver.AdminDSN(host.PostgresConfig(h).SocketDir))
	check(t, err)
	config.Database = pgserver.Database // as an administrator, whom row-level security hides nothing from
	db, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return []string{"no database: " + err.Error()}
	}
	defer db.Close(ctx)
	names, err := db.Query(ctx, `SELECT quote_ident(table_schema) || '.' || quote_ident(table_name), table_name,
			EXISTS (SELECT FROM information_schema.columns c WHERE (c.table_schema, c.table_name, c.column_name) = (t.table_schema, t.table_name, 'phase'))
		FROM information_schema.tables t WHERE table_type = 'BASE TABLE' AND table_schema NOT IN ('pg_catalog', 'information_schema')`)
	check(t, err)
	type table struct {
		full, name string
		phase      bool
	}
	tables, err := pgx.CollectRows(names, func(r pgx.CollectableRow) (x table, err error) {
		err = r.Scan(&x.full, &x.name, &x.phase)
		return x, err
	})
	check(t, err)
	var all []string
	for _, table := range tables {
		if slices.Contains(remembering, table.name) {
			continue
		}
		count := "SELECT count(*) FROM " + table.full
		if table.phase {
			count += " WHERE phase <> 'deleted'"
		}
		var n int
		check(t, db.QueryRow(ctx, count).Scan(&n))
		all = append(all, fmt.Sprintf("%d rows of %s", n, table.name))
	}
	return all
}
