package kube_test

import (
	"context"
	"crypto"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/marina-cloud/marina/internal/fault"
	"github.com/marina-cloud/marina/internal/tenant"
	controlplane "github.com/marina-cloud/marina/tenant-controlplane"
	"github.com/marina-cloud/marina/tenant-controlplane/internal/kube"
	"github.com/marina-cloud/marina/tenant-controlplane/internal/pki"
)

// signer signs with one authority.
type signer struct{ ca pki.Authority }

func (s signer) SignClient(_ context.Context, _ tenant.ClusterID, _ string, key crypto.PublicKey, name string, organizations []string, ttl time.Duration) ([]byte, error) {
	return s.ca.SignClient(key, pki.Client{CommonName: name, Organizations: organizations}, ttl, time.Now())
}

func (s signer) Certificate(context.Context, tenant.ClusterID, string) ([]byte, error) {
	return certificate(s.ca), nil
}

var ada = controlplane.Person{User: "ada@example.com", Group: controlplane.ViewersGroup}

// clusters returns clusters whose API servers answer so.
func clusters(t *testing.T, answer http.HandlerFunc) *kube.Clusters {
	t.Helper()
	ca, err := pki.NewAuthority("test", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(ca.Certificate)
	socket := serve(t, ca, pool, answer)
	s := &kube.Clusters{
		Signer: signer{ca}, Sockets: func(tenant.ClusterID) string { return filepath.Dir(socket) },
		Name: func(tenant.ClusterID) string { return serverName },
	}
	t.Cleanup(s.Close)
	return s
}

func tableOf(rows int, annotation string) []byte {
	type object map[string]any
	all := make([]object, 0, rows)
	for n := range rows {
		all = append(all, object{
			"cells": []any{"web", "1/1", "Running\u202e\x1b[2J<b>", "3 (2m ago)", "5m", "10.0.0.1", "<none>"},
			"object": object{"metadata": object{
				"name": "web-" + strconv.Itoa(n), "namespace": "shop", "creationTimestamp": "2026-11-27T07:00:00Z", "annotations": object{"a": annotation},
			}},
		})
	}
	columns := []object{}
	for _, name := range []string{"Name", "Ready", "Status", "Restarts", "Age", "IP", "Node"} {
		columns = append(columns, object{"name": name})
	}
	data, err := json.Marshal(object{"kind": "Table", "metadata": object{"continue": "next"}, "columnDefinitions": columns, "rows": all})
	if err != nil {
		panic(err) // strings always can be
	}
	return data
}

// TestPodsOfAPerson: the cluster is asked in a person's name, by somebody who may do
// nothing else.
func TestPodsOfAPerson(t *testing.T) {
	t.Parallel()
	s := clusters(t, func(w http.ResponseWriter, r *http.Request) {
		who := r.TLS.PeerCertificates[0].Subject
		if who.CommonName != "marina:console" || len(who.Organization) != 0 {
			t.Errorf("asked by %v", who)
		}
		if user, groups := r.Header.Get("Impersonate-User"), r.Header["Impersonate-Group"]; user != ada.User || len(groups) != 1 || groups[0] != ada.Group {
			t.Errorf("asked in the name of %q %q", user, groups)
		}
		want := url.Values{"limit": {"2"}, "continue": {"a&b=c"}, "includeObject": {"Metadata"}}
		if r.URL.Path != "/api/v1/namespaces/shop/pods" || r.URL.Query().Encode() != want.Encode() || !strings.Contains(r.Header.Get("Accept"), "as=Table") {
			t.Errorf("asked for %s, %s", r.URL, r.Header.Get("Accept"))
		}
		_, _ = w.Write(tableOf(2, ""))
	})
	got, err := s.Pods(t.Context(), "kc-a", ada, controlplane.PageQuery{Namespace: "shop", Limit: 2, Continue: "a&b=c"})
	if err != nil {
		t.Fatal(err)
	}
	want := controlplane.Pod{
		Namespace: "shop", Name: "web-1", Ready: "1/1", Status: "Running  [2J<b>", Restarts: "3 (2m ago)", CreatedAt: time.Date(2026, 11, 27, 7, 0, 0, 0, time.UTC),
	}
	if len(got.Items) != 2 || got.Items[1] != want || got.Continue != "next" {
		t.Errorf("pods: %+v, want %+v", got, want)
	}
}

// TestLargeObjectsComeInSmallPages: a tenant's objects do not fill Marina's memory, and
// are shown all the same.
func TestLargeObjectsComeInSmallPages(t *testing.T) {
	t.Parallel()
	large := strings.Repeat("x", 1<<20)
	s := clusters(t, func(w http.ResponseWriter, r *http.Request) {
		limit, _ := strconv.Atoi(r.URL.Query().Get("limit"))
		_, _ = w.Write(tableOf(limit, large))
	})
	got, err := s.Pods(t.Context(), "kc-a", ada, controlplane.PageQuery{Limit: 20})
	if err != nil || len(got.Items) != 5 {
		t.Errorf("%d pods of a mebibyte: %v, want 5 at once", len(got.Items), err)
	}
}

// TestEventsNewestFirst: whichever of its times a component has filled in.
func TestEventsNewestFirst(t *testing.T) {
	t.Parallel()
	s := clusters(t, func(w http.ResponseWriter, r *http.Request) {
		next := map[string]string{"": "2", "2": ""}[r.URL.Query().Get("continue")]
		var items []string
		if next != "" {
			items = []string{
				`{"metadata":{"namespace":"a","creationTimestamp":"2026-11-27T07:00:00Z"},"involvedObject":{"kind":"Pod","name":"one"},"type":"Warning","reason":"Failed","message":"no\nway","count":3,"lastTimestamp":"2026-11-27T07:03:00Z"}`,
				`{"metadata":{"namespace":"a","creationTimestamp":"2026-11-27T07:01:00Z"},"involvedObject":{"kind":"Pod","name":"two"},"lastTimestamp":null,"eventTime":null}`,
			}
		} else {
			items = []string{`{"metadata":{"namespace":"b"},"involvedObject":{"kind":"Node","name":"three"},"eventTime":"2026-11-27T07:00:00.000001Z","series":{"count":9,"lastObservedTime":"2026-11-27T07:04:00.000001Z"}}`}
		}
		fmt.Fprintf(w, `{"metadata":{"continue":%q},"items":[%s]}`, next, strings.Join(items, ","))
	})
	got, err := s.KubernetesEvents(t.Context(), "kc-a", ada, "", 2)
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Items) != 2 || !got.More || got.Items[0].Object != "Node/three" || got.Items[0].Count != 9 {
		t.Fatalf("events: %+v", got)
	}
	if one := got.Items[1]; one.Object != "Pod/one" || !one.Warning || one.Message != "no way" || one.Count != 3 {
		t.Errorf("the second event is %+v", one)
	}
}

// TestEventsWithoutEnd: somebody makes more of them than there is time for.
func TestEventsWithoutEnd(t *testing.T) {
	t.Parallel()
	pages := 0
	s := clusters(t, func(w http.ResponseWriter, _ *http.Request) {
		pages++
		fmt.Fprint(w, `{"metadata":{"continue":"more"},"items":[{}]}`)
	})
	if got, err := s.KubernetesEvents(t.Context(), "kc-a", ada, "", 100); err != nil || !got.More || pages > 10 {
		t.Errorf("after %d pages: %+v, %v", pages, got, err)
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("é", 4000)
	for name, tc := range map[string]struct {
		code int
		body string
		want error
	}{
		"RBAC":                 {403, `{"kind":"Status","message":"pods is forbidden: \u001b[31mUser"}`, controlplane.ErrNotAllowedInside},
		"RBAC with many words": {403, `{"message":"` + long + `"}`, controlplane.ErrNotAllowedInside},
		"no words":             {403, `<html>`, controlplane.ErrNotAllowedInside},
		"an old page":          {410, `{}`, controlplane.ErrListExpired},
		"no such page":         {400, `{}`, controlplane.ErrBadContinue},
		"busy":                 {429, `{}`, controlplane.ErrNoAnswerInside},
		"broken":               {500, `{}`, controlplane.ErrNoAnswerInside},
		"not what is asked":    {302, ``, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := clusters(t, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Location", "https://elsewhere.example/")
				w.WriteHeader(tc.code)
				fmt.Fprint(w, tc.body)
			})
			_, err := s.Pods(t.Context(), "kc-a", ada, controlplane.PageQuery{Limit: 1})
			if err == nil || tc.want != nil && !errors.Is(err, tc.want) {
				t.Fatalf("error = %v, want %v", err, tc.want)
			}
			if f := fault.From(err); len(f.Msg) > 2000 || strings.ContainsRune(f.Msg, '\x1b') {
				t.Errorf("people are told %q", f.Msg)
			}
		})
	}
}

// TestNamesLeadNowhereElse: what is no name of a namespace might lead to other paths,
// such as those of Secrets.
func TestNamesLeadNowhereElse(t *testing.T) {
	t.Parallel()
	s := clusters(t, func(http.ResponseWriter, *http.Request) { t.Error("the cluster was asked") })
	for _, name := range []string{"../secrets?", "a/b", "..", "A"} {
		if _, err := s.Pods(t.Context(), "kc-a", ada, controlplane.PageQuery{Namespace: name, Limit: 1}); fault.From(err).Kind != fault.Invalid {
			t.Errorf("pods of %q: error = %v", name, err)
		}
		if _, err := s.KubernetesEvents(t.Context(), "kc-a", ada, name, 1); fault.From(err).Kind != fault.Invalid {
			t.Errorf("events of %q: error = %v", name, err)
		}
	}
}
