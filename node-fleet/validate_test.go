package fleet_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/marina-cloud/marina/internal/fault"
	fleet "github.com/marina-cloud/marina/node-fleet"
)

func TestNewPoolValidate(t *testing.T) {
	t.Parallel()
	good := func(change func(*fleet.NewPool)) fleet.NewPool {
		p := fleet.NewPool{Name: "web", Size: "small", Count: 2}
		if change != nil {
			change(&p)
		}
		return p
	}
	label := func(k, v string) fleet.NewPool {
		return good(func(p *fleet.NewPool) { p.Labels = map[string]string{k: v} })
	}
	for name, tc := range map[string]struct {
		why  string
		pool fleet.NewPool
		want []string // names of the wrong fields
	}{
		"Good":         {why: "the usual", pool: good(nil)},
		"None":         {why: "a pool may begin empty", pool: good(func(p *fleet.NewPool) { p.Count = 0 })},
		"NoName":       {why: "a name is needed", pool: good(func(p *fleet.NewPool) { p.Name = "" }), want: []string{"name"}},
		"UpperCase":    {why: "it becomes a part of a DNS label", pool: good(func(p *fleet.NewPool) { p.Name = "Web" }), want: []string{"name"}},
		"EndsInDash":   {why: "DNS labels do not", pool: good(func(p *fleet.NewPool) { p.Name = "web-" }), want: []string{"name"}},
		"Newline":      {why: "an anchor must not stop at a line's end", pool: good(func(p *fleet.NewPool) { p.Name = "web\n" }), want: []string{"name"}},
		"LongName":     {why: "30 characters is the limit", pool: good(func(p *fleet.NewPool) { p.Name = strings.Repeat("a", 31) }), want: []string{"name"}},
		"LongestName":  {why: "30 characters are fine", pool: good(func(p *fleet.NewPool) { p.Name = strings.Repeat("a", 30) })},
		"UnknownSize":  {why: "only sizes on offer", pool: good(func(p *fleet.NewPool) { p.Size = "huge" }), want: []string{"size"}},
		"Negative":     {why: "a pool cannot have fewer nodes than none", pool: good(func(p *fleet.NewPool) { p.Count = -1 }), want: []string{"count"}},
		"TooMany":      {why: "a pool has a limit", pool: good(func(p *fleet.NewPool) { p.Count = fleet.MaxPoolCount + 1 }), want: []string{"count"}},
		"Everything":   {why: "every wrong field is named at once", pool: fleet.NewPool{Name: "-", Size: "x", Count: -1}, want: []string{"name", "size", "count"}},
		"Label":        {why: "a label with a domain of one's own", pool: label("example.com/team", "a.b_C-1")},
		"PlainLabel":   {why: "a label without a domain", pool: label("team", "")},
		"NodeLabel":    {why: "kubelets may set node.kubernetes.io", pool: label("node.kubernetes.io/rack", "7")},
		"SizeLabel":    {why: "Marina sets it", pool: label("node.kubernetes.io/instance-type", "x"), want: []string{"labels[node.kubernetes.io/instance-type]"}},
		"SystemLabel":  {why: "kubelet would refuse to start", pool: label("kubernetes.io/hostname", "x"), want: []string{"labels[kubernetes.io/hostname]"}},
		"RoleLabel":    {why: "kubelet would refuse to start", pool: label("node-role.kubernetes.io/master", ""), want: []string{"labels[node-role.kubernetes.io/master]"}},
		"K8sLabel":     {why: "kubelet would refuse to start", pool: label("x.k8s.io/a", ""), want: []string{"labels[x.k8s.io/a]"}},
		"OwnLabel":     {why: "Marina's own labels cannot be forged", pool: label("marina.local/pool", "x"), want: []string{"labels[marina.local/pool]"}},
		"BadKey":       {why: "no spaces", pool: label("a b", "x"), want: []string{"labels[a b]"}},
		"EmptyPrefix":  {why: "a slash has a domain before it", pool: label("/a", "x"), want: []string{"labels[/a]"}},
		"TwoSlashes":   {why: "one slash at most", pool: label("a.b/c/d", "x"), want: []string{"labels[a.b/c/d]"}},
		"BadValue":     {why: "no commas: kubelet reads labels as a list", pool: label("a", "x,b=c"), want: []string{"labels[a]"}},
		"LongValue":    {why: "63 characters", pool: label("a", strings.Repeat("x", 64)), want: []string{"labels[a]"}},
		"Taint":        {why: "the usual", pool: good(func(p *fleet.NewPool) { p.Taints = []fleet.Taint{{Key: "gpu", Effect: "NoSchedule"}} })},
		"TwoEffects":   {why: "one key with two effects are two taints", pool: good(func(p *fleet.NewPool) { p.Taints = []fleet.Taint{{"a", "", "NoSchedule"}, {"a", "", "NoExecute"}} })},
		"TaintTwice":   {why: "Kubernetes refuses it", pool: good(func(p *fleet.NewPool) { p.Taints = []fleet.Taint{{"a", "1", "NoExecute"}, {"a", "2", "NoExecute"}} }), want: []string{"taints[1]"}},
		"AllOfATaint":  {why: "every part is looked at", pool: good(func(p *fleet.NewPool) { p.Taints = []fleet.Taint{{"", " ", "no"}} }), want: []string{"taints[0].key", "taints[0].value", "taints[0].effect"}},
		"ManyOfEither": {why: "both lists have a limit", pool: good(func(p *fleet.NewPool) { p.Labels, p.Taints = many() }), want: []string{"labels", "taints"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var got []string
			err := tc.pool.Validate()
			if f, ok := errors.AsType[*fault.Error](err); ok {
				for _, field := range f.Fields {
					got = append(got, field.Name)
				}
			} else if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("wrong fields (%s):\n%s\n%v", tc.why, diff, err)
			}
		})
	}
}

func many() (labels map[string]string, taints []fleet.Taint) {
	labels = map[string]string{}
	for i := range 33 {
		key := "k" + strings.Repeat("x", i)
		labels[key] = ""
		if i < 17 {
			taints = append(taints, fleet.Taint{Key: key, Effect: "NoSchedule"})
		}
	}
	return labels, taints
}
