package gateway

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestPicture(t *testing.T) {
	at := func(id, phase string) thing {
		return thing{id, &ChangeView{Kind: "cluster", Cluster: &clusterView{ID: id, Phase: phase}}}
	}
	told := picture{}
	for _, step := range []struct {
		name string
		now  scene
		want []ChangeView
	}{
		{"everything is new", scene{things: []thing{at("a", "running"), at("b", "running")}, whole: true}, []ChangeView{*at("a", "running").change, *at("b", "running").change}},
		{"nothing changed", scene{things: []thing{at("a", "running"), at("b", "running")}, whole: true}, nil},
		{"one changed, the other was not looked at", scene{things: []thing{at("b", "deleting")}}, []ChangeView{*at("b", "deleting").change}},
		{"one is not there", scene{things: []thing{{id: "b"}}}, []ChangeView{{Kind: "gone", Gone: "b"}}},
		{"it still is not", scene{things: []thing{{id: "b"}}}, nil},
		{"it is there again", scene{things: []thing{at("b", "running")}}, []ChangeView{*at("b", "running").change}},
		{"a whole look does not find one", scene{things: []thing{at("b", "running")}, whole: true}, []ChangeView{{Kind: "gone", Gone: "a"}}},
		{"there is nothing any more", scene{whole: true, over: true}, []ChangeView{{Kind: "gone", Gone: "b"}}},
	} {
		if diff := cmp.Diff(step.want, told.update(step.now)); diff != "" {
			t.Errorf("%s: (- want, + got)\n%s", step.name, diff)
		}
	}
}
