package controlplane

import (
	"fmt"
	"slices"
	"time"
)

// Seen is what is really there, read before planning. Reading is not atomic, so
// Plan treats every field as possibly a little out of date.
type Seen struct {
	At       time.Time // when it was read
	Keys     bool      // the authorities and keys are issued
	Sealed   bool      // nothing of that can be unsealed just now, nor anything else be sealed; Health was not asked for
	Prepared bool      // directories, unsealed key files, configuration and the sockets that this program serves are as they should be
	Undenied bool      // the API server does not find all the credentials that are revoked
	Etcd     ProcessSeen
	Stack    ProcessSeen
	Route    bool // the router knows the way
	Health   Health
	Issuers  string // which of the issuers of tokens cannot be asked, and why, for people; "": none
}

// ProcessSeen is what is seen of one process.
type ProcessSeen struct {
	Running   bool
	Outdated  bool      // it runs, but not as it would be started now
	StartedAt time.Time // of the present or the last run
	ExitedAt  time.Time // of the last unwanted exit; zero: there was none
	Exit      string    // how it ended then, for people
	Restarts  int       // starts after unwanted exits, of late

	OutOfMemory bool // it was killed then because it needed more memory than its limit
}

// Health is what came of asking etcd and the API server. The strings say why not,
// for people.
type Health struct {
	EtcdAnswers    bool // at all
	EtcdHealthy    bool // and accepts writes
	Etcd           string
	APIReady       bool
	API            string
	Bootstrapped   bool // the objects that Marina needs in every cluster are as they should be
	ServiceAccount bool // the namespace default has its ServiceAccount
	RBAC           string
	Credentials    bool // a customer's fresh certificate was let in
	Credential     string
	ReadyNodes     bool // there are nodes that are Ready, which the tunnel should lead to
	TunnelReady    bool // and it leads to one of them at least
	Tunnel         string
	Limit          string // which limit the cluster is at, and what to do; "" for none. It is no reason to repair anything
}

// Step is one idempotent thing to do. Steps are data, so that a plan can be
// compared in a test and printed for an operator.
type Step interface{ step() }

// The steps of making and repairing, in the order in which a new cluster meets
// them.
type (
	IssueKeys       struct{} // authorities and keys, sealed
	Prepare         struct{} // directories, unsealed key files, configuration, the sockets that this program serves
	Deny            struct{} // tell the API server which credentials are revoked
	StartEtcd       struct{} // also replaces an outdated one
	StartStack      struct{}
	PublishRoute    struct{}
	EnsureBootstrap struct{} // the objects that Marina needs in every cluster
	Await           struct{} // until the health changes, for a short while
	SetConditions   struct{ Conditions []Condition }
	Enter           struct {
		Phase   Phase
		Message string // for the customer
	}
)

// The steps of taking away. Stopping is a step of repair, too.
type (
	ReleaseDependents struct{} // what needs the cluster, such as its nodes; holds up the rest of the plan until it is gone
	WithdrawRoute     struct{}
	StopStack         struct{}
	StopEtcd          struct{}
	ClearRun          struct{} // containers, sockets, unsealed keys; etcd's data and logs stay
	RemoveData        struct{} // containers, sockets, etcd's data, logs
	DestroyKeys       struct{} // after which no backup of the data can be read, either
)

func (IssueKeys) step()         {}
func (Prepare) step()           {}
func (Deny) step()              {}
func (StartEtcd) step()         {}
func (StartStack) step()        {}
func (PublishRoute) step()      {}
func (EnsureBootstrap) step()   {}
func (Await) step()             {}
func (SetConditions) step()     {}
func (Enter) step()             {}
func (ReleaseDependents) step() {}
func (WithdrawRoute) step()     {}
func (StopStack) step()         {}
func (StopEtcd) step()          {}
func (ClearRun) step()          {}
func (RemoveData) step()        {}
func (DestroyKeys) step()       {}

const (
	// patience is how long a running cluster may answer badly before it counts
	// as degraded: a busy moment is no failure. A dead process counts at once.
	patience = 10 * time.Second
	// hung is how long a live process may answer badly before it is replaced. A
	// first start takes seconds, on a very busy machine a minute.
	hung = 2 * time.Minute
	// remembered is how long the owner is told that a process was short of memory.
	remembered = 15 * time.Minute
	// attentive is how long after a start its result is awaited closely.
	attentive = 30 * time.Second
)

// Plan says what to do next to bring c to what its owner wants. It is pure, and
// an empty plan means that nothing can be done now; Rest says for how long.
//
// First provisioning, update and repair are the same cases in the same order. A
// process that died is started again by the path that started it first, after a
// backoff.
func Plan(c Cluster, seen Seen) []Step {
	switch {
	case c.Phase == Deleted:
		return nil
	case c.Leaving():
		return planDelete(c)
	}
	if seen.Sealed {
		return planSealed(c, seen)
	}
	if s, ok := passage(c, seen); ok {
		return append(report(c, seen), s) // what follows is planned for the new phase
	}
	steps := work(c, seen)
	if len(steps) == 0 {
		steps = report(c, seen)
	}
	if len(steps) == 0 && complaint(seen) != "" && seen.fresh() {
		steps = []Step{Await{}}
	}
	return steps
}

// report brings the conditions up to what is seen.
func report(c Cluster, seen Seen) []Step {
	next := conditions(c, seen)
	same := func(a, b Condition) bool { return a.Type == b.Type && a.OK == b.OK && a.Message == b.Message }
	if slices.EqualFunc(next, c.Conditions, same) {
		return nil
	}
	return []Step{SetConditions{next}}
}

// passage returns the step into another phase, where one is due.
func passage(c Cluster, seen Seen) (Step, bool) {
	why := complaint(seen)
	switch c.Phase {
	case Running:
		if c.Observed < c.Generation || seen.outdated() {
			return Enter{Updating, "The control plane is being updated."}, true
		}
		if sick(c, seen) {
			return Enter{Degraded, "The control plane is being repaired: " + why}, true
		}
		return nil, false
	case Provisioning:
		if why == "" {
			return Enter{Running, "The cluster is running."}, true
		}
		if c.Overdue(seen.At) {
			return Enter{Failed, "The cluster could not be made in time, and is still being tried: " + why}, true
		}
	case Updating:
		if why == "" {
			return Enter{Running, "The update is done."}, true
		}
		if c.Overdue(seen.At) {
			return Enter{Degraded, "The update did not finish in time, and is still being tried: " + why}, true
		}
	case Restoring:
		if why == "" {
			return Enter{Running, "The cluster is back."}, true
		}
		if c.Overdue(seen.At) {
			return Enter{Failed, "The cluster could not be brought back in time, and is still being tried: " + why}, true
		}
	case Degraded, Failed:
		if why == "" {
			return Enter{Running, "The cluster is running again."}, true
		}
	}
	return nil, false
}

// work returns what has to be done within the phase.
func work(c Cluster, seen Seen) (steps []Step) {
	if !seen.Keys {
		steps = append(steps, IssueKeys{})
	}
	if !seen.Keys || !seen.Prepared {
		steps = append(steps, Prepare{})
	}
	if seen.Undenied { // before the stack starts
		steps = append(steps, Deny{})
	}
	// The stack waits for etcd by itself, so nothing is waited for in between; but
	// etcd, which is up in a moment, goes first: a client that finds nobody tries
	// again only a second later.
	if seen.Etcd.startable(seen.At) {
		steps = append(steps, StartEtcd{})
	} else if seen.Etcd.hung(seen.At, seen.Health.EtcdAnswers, since(c, EtcdHealthy)) {
		steps = append(steps, StopEtcd{}, StartEtcd{})
	}
	if seen.Stack.startable(seen.At) {
		steps = append(steps, StartStack{})
	} else if seen.Health.EtcdHealthy && seen.Stack.hung(seen.At, seen.Health.APIReady, since(c, APIServerReady)) {
		steps = append(steps, StopStack{}, StartStack{})
	}
	if !seen.Route {
		steps = append(steps, PublishRoute{})
	}
	if seen.Health.APIReady && !seen.Health.Bootstrapped {
		steps = append(steps, EnsureBootstrap{})
	}
	return steps
}

// planSealed is the plan while the secret store cannot be asked. What runs is left
// alone, since nobody can tell how it is; what died is started again if all that it
// needs lies ready. Nothing is judged, and the rest waits.
func planSealed(c Cluster, seen Seen) (steps []Step) {
	if seen.Prepared {
		if seen.Undenied {
			steps = append(steps, Deny{})
		}
		if !seen.Etcd.Running && seen.Etcd.startable(seen.At) {
			steps = append(steps, StartEtcd{})
		}
		if !seen.Stack.Running && seen.Stack.startable(seen.At) {
			steps = append(steps, StartStack{})
		}
		if !seen.Route {
			steps = append(steps, PublishRoute{})
		}
	}
	if len(steps) > 0 || slices.ContainsFunc(c.Conditions, func(k Condition) bool { return k.Type == SecretsReady && !k.OK }) {
		return steps
	}
	sealed := Condition{Type: SecretsReady, Message: "The platform's secret store does not answer. What runs goes on; the rest follows by itself.", Since: seen.At}
	return []Step{SetConditions{append(slices.Clone(c.Conditions), sealed)}}
}

// planDelete is the plan of a cluster that goes, is kept for a while, and goes for
// good when its owner has not wanted it back by then.
func planDelete(c Cluster) []Step {
	switch {
	case c.Phase == Recoverable && !c.Deleting:
		return []Step{Enter{Restoring, "The cluster is being brought back."}}
	case c.Phase == Recoverable && !c.Purge:
		return nil
	case c.Phase == Recoverable:
		return []Step{Enter{Deleting, "The cluster and all that was kept of it are being removed for good."}}
	case c.Phase != Deleting:
		return []Step{Enter{Deleting, "The cluster is being deleted."}}
	}
	// Dependents go while there still is an API server to say good-bye to. Each
	// step is a promise that its thing is gone, so nothing needs to be seen in
	// between, and after a crash all of them are simply done again.
	gone := []Step{ReleaseDependents{}, WithdrawRoute{}, StopStack{}, StopEtcd{}}
	if !c.Purge {
		until := c.PurgeAt.UTC().Format("2 January 2006, 15:04 UTC")
		return append(gone, ClearRun{}, SetConditions{[]Condition{}}, Enter{Recoverable, "The cluster is deleted. It can be brought back until " + until + "."})
	}
	return append(gone, RemoveData{}, DestroyKeys{}, Enter{Deleted, "Nothing of the cluster is left."})
}

// Rest is how long a cluster may be left alone when its plan is empty.
func Rest(c Cluster, seen Seen) time.Duration {
	const (
		settled = 15 * time.Second // then it is looked at again, in case that nobody noticed something
		poll    = time.Second
		sealed  = 5 * time.Second  // then many clusters wait for one thing, which must not find them all at its door
		chronic = 15 * time.Minute // then it is not looked at more often than others
	)
	if c.Phase == Recoverable { // clocks differ, and an hour is soon enough for one that is wrong
		return min(max(c.PurgeAt.Sub(seen.At), poll), time.Hour)
	}
	rest := settled
	if seen.Sealed {
		rest = sealed
	} else if complaint(seen) != "" && seen.At.Sub(c.Since) < chronic {
		rest = poll
	}
	for _, p := range []ProcessSeen{seen.Etcd, seen.Stack} {
		if wait := p.notBefore().Sub(seen.At); !p.Running && wait > 0 {
			rest = min(rest, wait)
		}
	}
	return rest
}

// complaint returns the first thing that keeps the cluster from being as it
// should be, as a sentence, or "".
func complaint(s Seen) string {
	switch {
	case !s.Keys || !s.Prepared:
		return "Keys and configuration are being prepared."
	case !s.Etcd.Running:
		return s.Etcd.death("etcd")
	case !s.Stack.Running:
		return s.Stack.death("The API server")
	case s.outdated():
		return "A process is being replaced."
	case !s.Health.EtcdHealthy:
		return orElse(s.Health.Etcd, "etcd does not answer.")
	case !s.Health.APIReady:
		return orElse(s.Health.API, "The API server is not ready.")
	case !s.Health.Bootstrapped || !s.Health.ServiceAccount:
		return orElse(s.Health.RBAC, "The first objects of the cluster are being made.")
	case !s.Health.Credentials:
		return orElse(s.Health.Credential, "A new certificate is not accepted yet.")
	case !s.Route:
		return "The endpoint is being published."
	}
	return ""
}

// sick reports whether a running cluster must be called degraded. The tunnel is no
// reason: its other end is on the owner's machines, which may all be broken while
// the control plane is well. Nor is a cluster ill that is as large as it may be, or whose
// owner names an issuer that nobody can ask.
func sick(c Cluster, seen Seen) bool {
	if !seen.Etcd.Running || !seen.Stack.Running {
		return true
	}
	return slices.ContainsFunc(c.Conditions, func(k Condition) bool {
		if k.Type == TunnelReady || k.Type == WithinLimits || k.Type == IssuersReachable {
			return false
		}
		now := slices.IndexFunc(conditions(c, seen), func(n Condition) bool { return n.Type == k.Type && !n.OK })
		return now >= 0 && !k.OK && seen.At.Sub(k.Since) >= patience
	})
}

func conditions(c Cluster, seen Seen) []Condition {
	h := seen.Health
	etcd, api := h.Etcd, h.API
	if !seen.Etcd.Running {
		etcd = seen.Etcd.death("etcd")
	}
	if !seen.Stack.Running {
		api = seen.Stack.death("The API server")
	}
	next := []Condition{
		{Type: EtcdHealthy, OK: seen.Etcd.Running && h.EtcdHealthy, Message: etcd},
		{Type: APIServerReady, OK: seen.Stack.Running && h.APIReady, Message: api},
		{Type: RBACReady, OK: h.Bootstrapped && h.ServiceAccount, Message: h.RBAC},
		{Type: CredentialsWork, OK: h.Credentials, Message: h.Credential},
		{Type: WithinLimits, OK: limit(seen) == "", Message: limit(seen)},
	}
	if h.ReadyNodes {
		next = append(next, Condition{Type: TunnelReady, OK: h.TunnelReady, Message: h.Tunnel})
	}
	if len(c.Authentication.JWT) > 0 {
		next = append(next, Condition{Type: IssuersReachable, OK: seen.Issuers == "", Message: seen.Issuers})
	}
	for i := range next {
		if next[i].OK {
			next[i].Message = ""
		}
		next[i].Since = seen.At
		for _, old := range c.Conditions {
			if old.Type == next[i].Type && old.OK == next[i].OK {
				next[i].Since = old.Since
			}
		}
	}
	return next
}

// limit says which of its limits the cluster is at.
func limit(seen Seen) string {
	for _, p := range []ProcessSeen{seen.Stack, seen.Etcd} {
		if p.OutOfMemory && seen.At.Sub(p.ExitedAt) < remembered {
			return fmt.Sprintf("A process was short of memory and was started again (%s). Watch fewer or smaller objects at once, or delete some.", p.Exit)
		}
	}
	return seen.Health.Limit
}

// since returns when the condition t was seen to go wrong; zero when it is right
// or was never reported.
func since(c Cluster, t string) time.Time {
	for _, k := range c.Conditions {
		if k.Type == t && !k.OK {
			return k.Since
		}
	}
	return time.Time{}
}

func (s Seen) outdated() bool { return s.Etcd.Outdated || s.Stack.Outdated }

// fresh reports whether the result of a start is due any moment.
func (s Seen) fresh() bool {
	return s.Etcd.Running && s.Stack.Running && s.At.Sub(s.Stack.StartedAt) < attentive
}

// backoff is how long to wait before a process that ended n times of late is
// started once more: not at all after the first time, then from a second to a
// minute.
func backoff(n int) time.Duration {
	if n == 0 {
		return 0
	}
	return min(time.Second<<min(n-1, 6), time.Minute)
}

func (p ProcessSeen) notBefore() time.Time {
	if p.ExitedAt.IsZero() {
		return time.Time{}
	}
	return p.ExitedAt.Add(backoff(p.Restarts))
}

func (p ProcessSeen) startable(now time.Time) bool {
	if p.Running {
		return p.Outdated
	}
	return !now.Before(p.notBefore())
}

// hung reports whether a live process has answered badly for so long that only
// replacing it is left. Bad is when that was noticed, zero if it was not yet.
func (p ProcessSeen) hung(now time.Time, answers bool, bad time.Time) bool {
	return p.Running && !answers && !bad.IsZero() && now.Sub(bad) > hung && now.Sub(p.StartedAt) > hung
}

func (p ProcessSeen) death(name string) string {
	if p.Exit == "" {
		return name + " is not running yet."
	}
	return fmt.Sprintf("%s ended (%s) and is started again.", name, p.Exit)
}

func orElse(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}
