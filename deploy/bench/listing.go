package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/marina-cloud/marina/deploy/installation"
	"github.com/marina-cloud/marina/internal/home"
	"github.com/marina-cloud/marina/migrations/pgserver"
)

const (
	allClusters = 100_000 // in the database
	ofOne       = 1_000   // of each organization that asks
	pageSize    = 100     // what the console asks for

	// The organizations that ask. The limits are as they are for everybody: an
	// organization may send 50 requests a second, and an address 100.
	askers     = 5
	askRate    = 200 // requests each second, of all of them together
	askFor     = 10 * time.Second
	askWarming = time.Second
)

// listing measures how long a page of the list of clusters takes, for organizations
// that have many, in a database that has many more. Requests begin when they are due,
// whether or not those before them were answered, and are timed from then on: a server
// that stands still does not make fewer of them (coordinated omission).
func listing(ctx context.Context, m *measurement, i *installation.Installation) error {
	s := m.log.Begin("%d clusters in the database, %d in each of %d organizations", allClusters, ofOne, askers)
	all, err := newAskers(ctx, i)
	if err != nil {
		s.Failed()
		return err
	}
	s.Done("%d clusters in the database, %d in each of %d organizations", allClusters, ofOne, askers)
	if _, err := askAll(ctx, all, askWarming); err != nil {
		return err
	}
	for n := range m.runs {
		s := m.log.Begin("Run %d of %d: %d pages a second for %s", n+1, m.runs, askRate, askFor)
		took, err := askAll(ctx, all, askFor)
		if err != nil {
			s.Failed()
			return err
		}
		slices.Sort(took)
		m.add("list_clusters_p50_ms", took[len(took)/2])
		m.add("list_clusters_p99_ms", took[(len(took)*99+99)/100-1])
		s.Done("Run %d of %d: %d pages a second for %s", n+1, m.runs, askRate, askFor)
	}
	return nil
}

// asker reads the list of one organization's clusters, page after page.
type asker struct {
	server, token string
	web           *http.Client

	mu     sync.Mutex
	cursor string // of the next page; empty: the first
}

// newAskers signs people up, and fills the database.
func newAskers(ctx context.Context, i *installation.Installation) ([]*asker, error) {
	var all []*asker
	var organizations []string
	for n := range askers {
		x, err := i.SignUp(ctx, fmt.Sprintf("asker-%d@example.com", n), "correct horse battery", "")
		if err != nil {
			return nil, err
		}
		organizations = append(organizations, x.Organization)
		dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 1, byte(n+1))}}
		all = append(all, &asker{server: i.API, token: x.Token.Secret, web: &http.Client{Transport: &http.Transport{
			DialContext: func(ctx context.Context, _, addr string) (net.Conn, error) {
				return dialer.DialContext(ctx, "tcp4", addr)
			},
			MaxIdleConnsPerHost: askRate,
		}}})
	}
	return all, fillDatabase(ctx, i, organizations)
}

// fillDatabase makes clusters in the database, and nowhere else: no reconciler is due to look
// at them. They are like the one that is there.
func fillDatabase(ctx context.Context, i *installation.Installation, organizations []string) error {
	h, err := home.At(i.Home)
	if err != nil {
		return err
	}
	config, err := pgx.ParseConfig(pgserver.AdminDSN(h.Postgres()))
	if err != nil {
		return fmt.Errorf("read where Postgres is: %w", err)
	}
	config.Database = pgserver.Database
	db, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return fmt.Errorf("reach Postgres: %w", err)
	}
	defer db.Close(context.WithoutCancel(ctx))
	for _, q := range []struct {
		text string
		args []any
	}{
		{"INSERT INTO organizations (id, name) SELECT 'org-other-' || n, 'Other ' || n FROM generate_series(1, @others) n", []any{pgx.NamedArgs{"others": (allClusters - askers*ofOne) / ofOne}}},
		{`INSERT INTO clusters (id, organization_id, name, version, pod_cidr, service_cidr, issuer, uid_slot, observed_generation, phase, conditions, due_at)
			SELECT 'kc-0' || lpad(n::text, 25, '0'), CASE WHEN n < @asked THEN (@organizations::text[])[1 + n % @askers] ELSE 'org-other-' || 1 + n % @others END,
				'cluster-' || n, version, pod_cidr, service_cidr, issuer, 100000 + n, 1, 'running', conditions, now() + interval '1 year'
			FROM generate_series(0, @all - 1) n, (SELECT * FROM clusters ORDER BY id LIMIT 1) k`, []any{pgx.NamedArgs{
			"all": allClusters, "asked": askers * ofOne, "askers": askers, "others": (allClusters - askers*ofOne) / ofOne, "organizations": organizations,
		}}},
		{"ANALYZE clusters", nil},
	} {
		if _, err := db.Exec(ctx, q.text, q.args...); err != nil {
			return fmt.Errorf("fill the database: %w", err)
		}
	}
	return nil
}

// askAll has the askers ask in turn, at askRate, and returns how long each answer took.
func askAll(ctx context.Context, all []*asker, limit time.Duration) ([]time.Duration, error) {
	count := int(limit.Seconds() * askRate)
	took, failed := make([]time.Duration, count), make([]error, count)
	var open sync.WaitGroup
	began := time.Now()
	for n := range count {
		due := began.Add(time.Duration(n) * time.Second / askRate)
		if err := sleep(ctx, time.Until(due)); err != nil {
			break
		}
		open.Go(func() {
			failed[n] = all[n%len(all)].ask(ctx)
			took[n] = time.Since(due)
		})
	}
	open.Wait()
	return took, errors.Join(append(failed, context.Cause(ctx))...)
}

// ask reads the next page, or the first one after the last.
func (a *asker) ask(ctx context.Context) error {
	a.mu.Lock()
	cursor := a.cursor
	a.mu.Unlock()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("%s/v1/clusters?limit=%d&cursor=%s", a.server, pageSize, cursor), nil)
	if err != nil {
		return fmt.Errorf("make request: %w", err)
	}
	req.Header.Set("Authorization", "Bearer "+a.token)
	resp, err := a.web.Do(req)
	if err != nil {
		return fmt.Errorf("ask for a page: %w", err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return fmt.Errorf("read a page: %w", err)
	}
	var page struct {
		Items []json.RawMessage `json:"items"`
		Next  string            `json:"next_cursor"`
	}
	if resp.StatusCode != http.StatusOK || json.Unmarshal(body, &page) != nil || len(page.Items) != pageSize {
		return fmt.Errorf("a page of %d clusters was asked for, and %s answered: %.200s", pageSize, resp.Status, body)
	}
	a.mu.Lock()
	a.cursor = page.Next
	a.mu.Unlock()
	return nil
}
