package controlplane_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	controlplane "github.com/marina-cloud/marina/tenant-controlplane"
)

var noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

type (
	cluster = controlplane.Cluster
	seen    = controlplane.Seen
	steps   = []controlplane.Step
)

// healthy is all that can be asked of a control plane.
var healthy = controlplane.Health{
	EtcdAnswers: true, EtcdHealthy: true, APIReady: true, Bootstrapped: true, ServiceAccount: true, Credentials: true,
}

// whole is a control plane that is as it should be, and has been for an hour.
func whole() seen {
	up := controlplane.ProcessSeen{Running: true, StartedAt: noon.Add(-time.Hour)}
	return seen{At: noon, Keys: true, Prepared: true, Etcd: up, Stack: up, Route: true, Health: healthy}
}

// in returns a cluster that has been in phase p for an hour, with conditions that
// have held as long: all OK but those in bad.
func in(p controlplane.Phase, bad ...string) cluster {
	c := cluster{Phase: p, Since: noon.Add(-time.Hour), Generation: 1, Observed: 1}
	for _, t := range []string{controlplane.EtcdHealthy, controlplane.APIServerReady, controlplane.RBACReady, controlplane.CredentialsWork, controlplane.WithinLimits} {
		c.Conditions = append(c.Conditions, controlplane.Condition{Type: t, OK: true, Since: c.Since})
	}
	for _, b := range bad {
		for i := range c.Conditions {
			if c.Conditions[i].Type == b {
				c.Conditions[i].OK = false
			}
		}
	}
	return c
}

// newly returns a cluster that has just entered phase p.
func newly(p controlplane.Phase) cluster { c := in(p); c.Since = noon; return c }

// deleted returns a cluster that its owner does not want, in phase p, with or without
// time left to bring it back.
func deleted(p controlplane.Phase, purge bool) cluster {
	c := in(p)
	c.Deleting, c.Purge, c.PurgeAt = true, purge, noon.Add(time.Hour)
	return c
}

func with(s seen, edit func(*seen)) seen { edit(&s); return s }

// kinds reduces steps to what a table can hold: the kind, and the phase entered.
func kinds(plan steps) (out []string) {
	for _, s := range plan {
		switch s := s.(type) {
		case controlplane.IssueKeys:
			out = append(out, "issue")
		case controlplane.Prepare:
			out = append(out, "prepare")
		case controlplane.Deny:
			out = append(out, "deny")
		case controlplane.StartEtcd:
			out = append(out, "start etcd")
		case controlplane.StartStack:
			out = append(out, "start stack")
		case controlplane.StopEtcd:
			out = append(out, "stop etcd")
		case controlplane.StopStack:
			out = append(out, "stop stack")
		case controlplane.PublishRoute:
			out = append(out, "publish")
		case controlplane.EnsureBootstrap:
			out = append(out, "bootstrap")
		case controlplane.Await:
			out = append(out, "await")
		case controlplane.SetConditions:
			out = append(out, "conditions")
		case controlplane.ReleaseDependents:
			out = append(out, "release")
		case controlplane.WithdrawRoute:
			out = append(out, "withdraw")
		case controlplane.ClearRun:
			out = append(out, "clear")
		case controlplane.RemoveData:
			out = append(out, "remove")
		case controlplane.DestroyKeys:
			out = append(out, "destroy")
		case controlplane.Enter:
			out = append(out, "enter "+string(s.Phase))
		}
	}
	return out
}

func TestPlan(t *testing.T) {
	t.Parallel()
	newborn := cluster{Phase: controlplane.Provisioning, Since: noon.Add(-time.Second), Generation: 1}
	justStarted := with(whole(), func(s *seen) {
		s.Etcd.StartedAt, s.Stack.StartedAt = noon.Add(-time.Second), noon.Add(-time.Second)
		s.Health = controlplane.Health{API: "The API server does not answer."}
	})
	dead := func(restarts int, ago time.Duration) controlplane.ProcessSeen {
		return controlplane.ProcessSeen{StartedAt: noon.Add(-time.Hour), ExitedAt: noon.Add(-ago), Exit: "signal: killed", Restarts: restarts}
	}
	sealed := func(edit func(*seen)) seen {
		return with(whole(), func(s *seen) { s.Sealed, s.Health = true, controlplane.Health{}; edit(s) })
	}
	told := in(controlplane.Running)
	told.Conditions = append(told.Conditions, controlplane.Condition{Type: controlplane.SecretsReady, Since: noon})
	takeAway := []string{"release", "withdraw", "stop stack", "stop etcd", "remove", "destroy", "enter deleted"}
	putAway := []string{"release", "withdraw", "stop stack", "stop etcd", "clear", "conditions", "enter recoverable"}

	for name, tc := range map[string]struct {
		why  string
		c    cluster
		seen seen
		want []string
	}{
		"SealedTells": {
			"an unknown health is no bad health: the store's silence is told, and nothing is called degraded",
			in(controlplane.Running), sealed(func(*seen) {}), []string{"conditions"},
		},
		"SealedRests":       {"what was told is not told again", told, sealed(func(*seen) {}), nil},
		"SealedIssuesNone":  {"a new cluster's keys cannot be sealed", newborn, sealed(func(s *seen) { *s = seen{At: noon, Sealed: true} }), []string{"conditions"}},
		"SealedDeletes":     {"taking away needs no keys", deleted(controlplane.Deleting, true), seen{At: noon, Sealed: true}, takeAway},
		"SealedHangs":       {"one that does not answer is not replaced: it was not asked", in(controlplane.Running, controlplane.APIServerReady), sealed(func(*seen) {}), []string{"conditions"}},
		"SealedStarts":      {"what died is started again when all lies ready", told, sealed(func(s *seen) { s.Stack = dead(0, time.Second) }), []string{"start stack"}},
		"SealedDenies":      {"what is revoked needs no keys", told, sealed(func(s *seen) { s.Undenied = true }), []string{"deny"}},
		"Denies":            {"a credential was revoked", in(controlplane.Running), with(whole(), func(s *seen) { s.Undenied = true }), []string{"deny"}},
		"DeniesFirst":       {"before the stack starts", in(controlplane.Degraded), with(whole(), func(s *seen) { s.Undenied, s.Stack = true, dead(0, time.Second) }), []string{"deny", "start stack"}},
		"SealedAfterReboot": {"what has to be unsealed first waits", told, sealed(func(s *seen) { s.Prepared, s.Etcd, s.Stack = false, dead(0, time.Second), dead(0, time.Second) }), nil},
		"Unsealed":          {"the condition goes when the store answers", told, whole(), []string{"conditions"}},
		"First": {
			"everything that needs no answer is done at once: the stack waits for etcd by itself",
			newborn, seen{At: noon},
			[]string{"issue", "prepare", "start etcd", "start stack", "publish"},
		},
		"ContinuesAfterCrash": {
			"what a predecessor did is not done again",
			newborn, with(whole(), func(s *seen) { s.Stack = controlplane.ProcessSeen{}; s.Route = false; s.Health = controlplane.Health{} }),
			[]string{"start stack", "publish"},
		},
		"Reports": {
			"the owner sees what is waited for",
			newborn, justStarted, []string{"conditions"},
		},
		"Awaits": {
			"with all started and reported, the answers are awaited closely",
			in(controlplane.Degraded, controlplane.EtcdHealthy, controlplane.APIServerReady, controlplane.RBACReady, controlplane.CredentialsWork),
			with(justStarted, func(s *seen) { s.Health = controlplane.Health{} }),
			[]string{"await"},
		},
		"Bootstraps": {
			"Marina's objects are made as soon as the API server takes them",
			newborn, with(whole(), func(s *seen) { s.Health.Bootstrapped, s.Health.Credentials = false, false }),
			[]string{"bootstrap"},
		},
		"NotYetUsable": {
			"without the default ServiceAccount no pod can be made, so it does not count as running",
			newborn, with(justStarted, func(s *seen) { s.Health = healthy; s.Health.ServiceAccount, s.Health.Credentials = false, false }),
			[]string{"conditions"},
		},
		"Usable": {
			"it is running when a customer's certificate was let in, and not before",
			newborn, whole(), []string{"conditions", "enter running"},
		},
		"Unreachable": {
			"a cluster that the router does not know is not running",
			newborn, with(whole(), func(s *seen) { s.Route = false }), []string{"publish"},
		},
		"TooLate": {
			"a person should look, and meanwhile it is tried on",
			in(controlplane.Provisioning), with(whole(), func(s *seen) { s.Health.Credentials = false }),
			[]string{"conditions", "enter failed"},
		},
		"FailedRecovers": {
			"failed is no end",
			in(controlplane.Failed, controlplane.CredentialsWork), whole(), []string{"conditions", "enter running"},
		},
		"Settled": {
			"a cluster that is as it should be is left alone",
			in(controlplane.Running), whole(), nil,
		},
		"StackDied": {
			"the owner sees it at once",
			in(controlplane.Running), with(whole(), func(s *seen) { s.Stack = dead(0, time.Second); s.Health = controlplane.Health{} }),
			[]string{"conditions", "enter degraded"},
		},
		"StackRestarts": {
			"the first restart is immediate, and etcd is not touched",
			in(controlplane.Degraded), with(whole(), func(s *seen) { s.Stack = dead(0, 0); s.Health = controlplane.Health{} }),
			[]string{"start stack"},
		},
		"BacksOff": {
			"one that dies again and again must not burn the machine",
			in(controlplane.Degraded, controlplane.APIServerReady), with(whole(), func(s *seen) { s.Stack = dead(4, 7*time.Second); s.Health = healthy; s.Health.APIReady = false }),
			[]string{"conditions"},
		},
		"BackoffEnds": {
			"the fourth restart comes after eight seconds",
			in(controlplane.Degraded), with(whole(), func(s *seen) { s.Stack = dead(4, 8*time.Second) }),
			[]string{"start stack"},
		},
		"EtcdRestartsAlone": {
			"the stack reconnects by itself",
			in(controlplane.Degraded), with(whole(), func(s *seen) { s.Etcd = dead(1, time.Minute) }),
			[]string{"start etcd"},
		},
		"Busy": {
			"a slow answer is reported and does no harm to the phase",
			in(controlplane.Running), with(whole(), func(s *seen) { s.Health.APIReady = false }),
			[]string{"conditions"},
		},
		"SickForLong": {
			"a slow answer for an hour is a failure",
			in(controlplane.Running, controlplane.APIServerReady), with(whole(), func(s *seen) { s.Health.APIReady = false }),
			[]string{"enter degraded"},
		},
		"Hung": {
			"a process that lives and does not answer is replaced in the end",
			in(controlplane.Degraded, controlplane.APIServerReady), with(whole(), func(s *seen) { s.Health.APIReady = false }),
			[]string{"stop stack", "start stack"},
		},
		"HungBecauseOfEtcd": {
			"replacing the stack does not help it when etcd is the reason",
			in(controlplane.Degraded, controlplane.EtcdHealthy, controlplane.APIServerReady),
			with(whole(), func(s *seen) { s.Health.EtcdHealthy, s.Health.APIReady = false, false }),
			nil,
		},
		"EtcdHung": {
			"an etcd that does not answer at all is replaced",
			in(controlplane.Degraded, controlplane.EtcdHealthy, controlplane.APIServerReady),
			with(whole(), func(s *seen) {
				s.Health.EtcdAnswers, s.Health.EtcdHealthy, s.Health.APIReady = false, false, false
			}),
			[]string{"stop etcd", "start etcd"},
		},
		"Repaired": {
			"back to running without anybody's help",
			in(controlplane.Degraded), whole(), []string{"enter running"},
		},
		"LeavesRenewed": {
			"new key files are put in place under a running cluster, which notices nothing",
			in(controlplane.Running), with(whole(), func(s *seen) { s.Prepared = false }), []string{"prepare"},
		},
		"RouteLost": {
			"the route is put back without a change of phase",
			in(controlplane.Running), with(whole(), func(s *seen) { s.Route = false }), []string{"publish"},
		},
		"BindingsLost": {
			"a customer who deletes Marina's bindings gets them back",
			in(controlplane.Running), with(whole(), func(s *seen) { s.Health.Bootstrapped = false }), []string{"bootstrap"},
		},
		"UpdateShows": {
			"the owner sees that a change is under way before anything is touched",
			func() cluster { c := in(controlplane.Running); c.Generation = 2; return c }(), whole(), []string{"enter updating"},
		},
		"ProgramChanged": {
			"a process that would be started otherwise now is replaced in phase updating",
			in(controlplane.Running), with(whole(), func(s *seen) { s.Stack.Outdated = true }), []string{"enter updating"},
		},
		"Replaces": {
			"only what is outdated",
			newly(controlplane.Updating),
			with(whole(), func(s *seen) { s.Stack.Outdated = true }), []string{"start stack"},
		},
		"Updated": {
			"the update is done when the cluster is usable",
			in(controlplane.Updating), whole(), []string{"enter running"},
		},
		"UpdateTooLate": {
			"an update that does not end is a failure, and is tried on",
			in(controlplane.Updating, controlplane.APIServerReady), with(whole(), func(s *seen) { s.Health.APIReady = false }),
			[]string{"enter degraded"},
		},
		"DeleteShows": {
			"a wish to delete wins over everything else",
			deleted(controlplane.Provisioning, false), seen{At: noon}, []string{"enter deleting"},
		},
		"Deletes": {
			"access goes first, keys last",
			deleted(controlplane.Deleting, true), seen{At: noon}, takeAway,
		},
		"DeletesForNow": {
			"data and keys stay; what is unsealed does not",
			deleted(controlplane.Deleting, false), seen{At: noon}, putAway,
		},
		"Kept":       {"nothing is done to what may be wanted back", deleted(controlplane.Recoverable, false), seen{At: noon}, nil},
		"KeptSealed": {"whether or not the secret store answers", deleted(controlplane.Recoverable, false), seen{At: noon, Sealed: true}, nil},
		"Purges":     {"its time is over", deleted(controlplane.Recoverable, true), seen{At: noon}, []string{"enter deleting"}},
		"Undeletes":  {"it is wanted back", in(controlplane.Recoverable), seen{At: noon}, []string{"enter restoring"}},
		"UndeletesLate": {
			"a deletion that has begun is finished first: who knows what is there still",
			in(controlplane.Deleting), seen{At: noon}, putAway,
		},
		"Restores": {
			"as after a restart of the machine: the keys are there, and what is revoked is told first",
			newly(controlplane.Restoring), seen{At: noon, Keys: true, Undenied: true}, []string{"prepare", "deny", "start etcd", "start stack", "publish"},
		},
		"Restored": {"it is usable", newly(controlplane.Restoring), whole(), []string{"enter running"}},
		"RestoredTooLate": {
			"one that does not come back is a failure, and is tried on",
			in(controlplane.Restoring, controlplane.APIServerReady), with(whole(), func(s *seen) { s.Health.APIReady = false }),
			[]string{"enter failed"},
		},
		"Deleted": {
			"nothing is done to what is gone",
			deleted(controlplane.Deleted, true), seen{At: noon}, nil,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(tc.want, kinds(controlplane.Plan(tc.c, tc.seen))); diff != "" {
				t.Errorf("Plan differs (- want, + got): %s\n%s", tc.why, diff)
			}
		})
	}
}

// TestLimits: a cluster that is as large as it may be, or whose process was short of
// memory a while ago, says so, and is not ill.
func TestLimits(t *testing.T) {
	full := with(whole(), func(s *seen) { s.Health.Limit = "The database is full." })
	killed := with(whole(), func(s *seen) {
		s.Stack.ExitedAt, s.Stack.OutOfMemory, s.Stack.Exit = noon.Add(-time.Minute), true, "it was killed"
	})
	for _, tt := range []struct {
		name string
		seen seen
		ok   bool
		says string
	}{
		{"full", full, false, "The database is full."},
		{"short of memory", killed, false, "it was killed"},
		{"short of memory long ago", with(killed, func(s *seen) { s.Stack.ExitedAt = noon.Add(-time.Hour) }), true, ""},
		{"ended for another reason", with(killed, func(s *seen) { s.Stack.OutOfMemory = false }), true, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := in(controlplane.Running, controlplane.WithinLimits) // it has been at its limit for an hour
			plan := controlplane.Plan(c, tt.seen)
			if got := kinds(plan); len(got) != 1 || got[0] != "conditions" {
				t.Fatalf("plan = %v, want to tell, and no repair", got)
			}
			for _, k := range plan[0].(controlplane.SetConditions).Conditions {
				if k.Type == controlplane.WithinLimits && (k.OK != tt.ok || !strings.Contains(k.Message, tt.says)) {
					t.Errorf("the condition is %+v, want OK = %v and %q", k, tt.ok, tt.says)
				}
			}
		})
	}
}

func TestRest(t *testing.T) {
	t.Parallel()
	down := with(whole(), func(s *seen) {
		s.Stack = controlplane.ProcessSeen{ExitedAt: noon.Add(-7500 * time.Millisecond), Restarts: 4}
	})
	for _, tc := range []struct {
		why  string
		c    cluster
		seen seen
		want time.Duration
	}{
		{"a settled cluster is looked at now and then", in(controlplane.Running), whole(), 15 * time.Second},
		{"one that is not, each second", newly(controlplane.Degraded), with(whole(), func(s *seen) { s.Health.APIReady = false }), time.Second},
		{"unless that does not help for long", in(controlplane.Degraded), with(whole(), func(s *seen) { s.Health.APIReady = false }), 15 * time.Second},
		{"and at the very end of a backoff", newly(controlplane.Degraded), down, 500 * time.Millisecond},
		{"one that may be wanted back, when its time is over", deleted(controlplane.Recoverable, false), with(whole(), func(s *seen) { s.At = noon.Add(time.Minute) }), 59 * time.Minute},
		{"or a moment later, by another clock", deleted(controlplane.Recoverable, false), with(whole(), func(s *seen) { s.At = noon.Add(2 * time.Hour) }), time.Second},
	} {
		if got := controlplane.Rest(tc.c, tc.seen); got != tc.want {
			t.Errorf("Rest = %s, want %s: %s", got, tc.want, tc.why)
		}
	}
}

// TestConditionsKeepTheirTime holds that a condition's Since is when it became
// what it is, not when it was last looked at.
func TestConditionsKeepTheirTime(t *testing.T) {
	t.Parallel()
	c := in(controlplane.Running)
	plan := controlplane.Plan(c, with(whole(), func(s *seen) { s.Health.APIReady, s.Health.API = false, "It is busy." }))
	set, ok := plan[0].(controlplane.SetConditions)
	if !ok {
		t.Fatalf("plan = %#v", plan)
	}
	want := in(controlplane.Running).Conditions
	want[1] = controlplane.Condition{Type: controlplane.APIServerReady, Message: "It is busy.", Since: noon}
	if diff := cmp.Diff(want, set.Conditions); diff != "" {
		t.Errorf("conditions differ (- want, + got):\n%s", diff)
	}
}

// TestTunnelCondition: whether the tunnel leads to nodes is told where there are nodes,
// and makes no cluster degraded.
func TestTunnelCondition(t *testing.T) {
	t.Parallel()
	const why = "The API server reaches no node."
	told := func(c cluster, ready, tunnel bool) cluster {
		s := with(whole(), func(s *seen) { s.Health.ReadyNodes, s.Health.TunnelReady, s.Health.Tunnel = ready, tunnel, why })
		for _, step := range controlplane.Plan(c, s) {
			set, ok := step.(controlplane.SetConditions)
			if !ok {
				t.Fatalf("nodes %v, tunnel %v: plan %#v, want conditions alone", ready, tunnel, step)
			}
			c.Conditions = set.Conditions
		}
		return c
	}
	c := in(controlplane.Running)
	for _, tc := range []struct {
		ready, tunnel bool
		want          []controlplane.Condition
	}{
		{false, false, nil},
		{true, false, []controlplane.Condition{{Type: controlplane.TunnelReady, Message: why, Since: noon}}},
		{true, true, []controlplane.Condition{{Type: controlplane.TunnelReady, OK: true, Since: noon}}},
		{false, false, nil},
	} {
		c = told(c, tc.ready, tc.tunnel)
		if diff := cmp.Diff(append(in(controlplane.Running).Conditions, tc.want...), c.Conditions); diff != "" {
			t.Errorf("nodes %v, tunnel %v: conditions differ (- want, + got):\n%s", tc.ready, tc.tunnel, diff)
		}
	}
	c = told(c, true, false)
	c.Conditions[len(c.Conditions)-1].Since = noon.Add(-time.Hour)
	told(c, true, false) // for an hour already
}

// TestPlanEnds holds, from any state of the world, that doing what Plan says ends:
// at a running cluster that is left alone, or at a deleted one.
func TestPlanEnds(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		c, s := anyCluster(t), anySeen(t)
		for range 200 { // the longest backoff, a minute, is 60 rests
			plan := controlplane.Plan(c, s)
			if len(plan) == 0 {
				s = pass(s, controlplane.Rest(c, s))
			}
			for _, step := range plan {
				c, s = do(t, c, s, step)
			}
		}
		want := controlplane.Running
		switch {
		case c.Phase == controlplane.Deleted || c.Purge:
			want = controlplane.Deleted
		case c.Deleting:
			want = controlplane.Recoverable
		}
		if c.Phase != want || len(controlplane.Plan(c, s)) != 0 {
			t.Fatalf("ended at %+v, seen %+v", c, s)
		}
	})
}

func anyCluster(t *rapid.T) cluster {
	p := rapid.SampledFrom(controlplane.Phases()).Draw(t, "phase")
	c := in(p)
	c.Deleting = p == controlplane.Deleted || rapid.Bool().Draw(t, "deleting")
	c.Purge = c.Deleting && rapid.Bool().Draw(t, "purge")
	c.Since = noon.Add(-time.Duration(rapid.IntRange(0, 3600).Draw(t, "in phase for")) * time.Second)
	c.Observed = int64(rapid.IntRange(0, 1).Draw(t, "observed"))
	if rapid.Bool().Draw(t, "no conditions") {
		c.Conditions = nil
	}
	for i := range c.Conditions {
		c.Conditions[i].OK = rapid.Bool().Draw(t, "ok")
	}
	return c
}

func anySeen(t *rapid.T) seen {
	flag := func(name string) bool { return rapid.Bool().Draw(t, name) }
	process := func(name string) controlplane.ProcessSeen {
		p := controlplane.ProcessSeen{Running: flag(name), Restarts: rapid.IntRange(0, 20).Draw(t, "restarts")}
		p.Outdated = p.Running && flag("outdated")
		p.StartedAt = noon.Add(-time.Duration(rapid.IntRange(0, 600).Draw(t, "age")) * time.Second)
		if !p.Running && flag("died") {
			p.ExitedAt, p.Exit = noon, "status 1"
		}
		return p
	}
	s := seen{At: noon, Keys: flag("keys"), Prepared: flag("prepared"), Undenied: flag("undenied"), Route: flag("route"), Etcd: process("etcd"), Stack: process("stack")}
	s.Health = controlplane.Health{Bootstrapped: flag("bootstrapped")}
	return respond(s)
}

// respond makes the health follow from what runs: a fresh process answers.
func respond(s seen) seen {
	h := controlplane.Health{Bootstrapped: s.Health.Bootstrapped}
	h.EtcdAnswers = s.Etcd.Running
	h.EtcdHealthy = h.EtcdAnswers
	h.APIReady = h.EtcdHealthy && s.Stack.Running && s.Prepared
	h.ServiceAccount = h.APIReady
	h.Credentials = h.APIReady && h.Bootstrapped
	s.Health = h
	return s
}

func pass(s seen, d time.Duration) seen { s.At = s.At.Add(d); return s }

func do(t *rapid.T, c cluster, s seen, step controlplane.Step) (cluster, seen) {
	start := controlplane.ProcessSeen{Running: true, StartedAt: s.At}
	switch step := step.(type) {
	case controlplane.IssueKeys:
		s.Keys = true
	case controlplane.Prepare:
		if !s.Keys {
			t.Fatal("prepared without keys")
		}
		s.Prepared = true
	case controlplane.Deny:
		if !s.Prepared {
			t.Fatal("there is nowhere to deny credentials")
		}
		s.Undenied = false
	case controlplane.StartEtcd:
		if !s.Prepared {
			t.Fatal("etcd started on nothing")
		}
		s.Etcd = start
	case controlplane.StartStack:
		if !s.Prepared {
			t.Fatal("stack started on nothing")
		}
		if s.Undenied {
			t.Fatal("stack started before it could know which credentials are revoked")
		}
		s.Stack = start
	case controlplane.StopEtcd:
		s.Etcd = controlplane.ProcessSeen{}
	case controlplane.StopStack:
		s.Stack = controlplane.ProcessSeen{}
	case controlplane.PublishRoute:
		s.Route = true
	case controlplane.WithdrawRoute:
		s.Route = false
	case controlplane.EnsureBootstrap:
		s.Health.Bootstrapped = true
	case controlplane.ClearRun:
		s.Prepared = false
	case controlplane.DestroyKeys:
		if !c.Purge {
			t.Fatal("keys destroyed of a cluster that may be wanted back")
		}
		if s.Etcd.Running || s.Stack.Running || s.Route {
			t.Fatal("keys destroyed under a reachable or running cluster")
		}
		s.Keys = false
	case controlplane.Await:
		s = pass(s, time.Second)
	case controlplane.SetConditions:
		c.Conditions = step.Conditions
	case controlplane.Enter:
		next, err := c.To(step.Phase, s.At)
		if err != nil {
			t.Fatalf("%s to %s: %v", c.Phase, step.Phase, err)
		}
		if step.Message == "" {
			t.Fatalf("%s is entered without a word to the owner", step.Phase)
		}
		if c = next; step.Phase == controlplane.Running {
			c.Observed = c.Generation
		}
	}
	return c, respond(s)
}
