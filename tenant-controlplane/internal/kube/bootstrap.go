package kube

import (
	"context"
	"fmt"
	"slices"

	rbac "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	controlplane "github.com/marina-cloud/marina/tenant-controlplane"
)

// The groups of machines that Marina's bindings are about, beside those of people.
const (
	BootstrappersGroup = "system:bootstrappers" // machines that have no node certificate yet
	NodesGroup         = "system:nodes"         // kubelets
)

const (
	managedBy = "app.kubernetes.io/managed-by"
	marina    = "marina"
)

func labelled(name string) meta.ObjectMeta {
	return meta.ObjectMeta{Name: name, Labels: map[string]string{managedBy: marina}}
}

// roles are what people may do in a cluster beyond upstream's roles "edit" and "view",
// which know nothing outside of namespaces; and that the console may ask in their name,
// and nothing in its own.
func roles() []rbac.ClusterRole {
	look := []string{"get", "list", "watch"}
	rule := func(group string, verbs []string, resources ...string) rbac.PolicyRule {
		return rbac.PolicyRule{APIGroups: []string{group}, Verbs: verbs, Resources: resources}
	}
	return []rbac.ClusterRole{
		{ObjectMeta: labelled(controlplane.DevelopersGroup), Rules: []rbac.PolicyRule{
			rule("", look, "nodes", "persistentvolumes"),
			rule("", append(slices.Clone(look), "create"), "namespaces"),
			rule("storage.k8s.io", look, "storageclasses"),
			rule("apiextensions.k8s.io", look, "customresourcedefinitions"),
			rule("metrics.k8s.io", look, "nodes", "pods"),
		}},
		{ObjectMeta: labelled(controlplane.ViewersGroup), Rules: []rbac.PolicyRule{
			rule("", look, "nodes", "namespaces"),
			rule("metrics.k8s.io", look, "nodes", "pods"),
		}},
		{ObjectMeta: labelled(console.Name), Rules: []rbac.PolicyRule{
			rule("", []string{"impersonate"}, "users"),
			{APIGroups: []string{""}, Verbs: []string{"impersonate"}, Resources: []string{"groups"}, ResourceNames: []string{
				controlplane.AdminsGroup, controlplane.DevelopersGroup, controlplane.ViewersGroup,
			}},
		}},
	}
}

// bindings are the bindings that Marina needs in every cluster. Machines may ask
// for certificates; no binding lets anybody approve them but Marina itself.
func bindings() []rbac.ClusterRoleBinding {
	group := func(name string) rbac.Subject {
		return rbac.Subject{Kind: rbac.GroupKind, APIGroup: rbac.GroupName, Name: name}
	}
	bind := func(name, role string, to rbac.Subject) rbac.ClusterRoleBinding {
		return rbac.ClusterRoleBinding{
			ObjectMeta: labelled(name),
			RoleRef:    rbac.RoleRef{APIGroup: rbac.GroupName, Kind: "ClusterRole", Name: role},
			Subjects:   []rbac.Subject{to},
		}
	}
	return []rbac.ClusterRoleBinding{
		bind("marina:admins", "cluster-admin", group(controlplane.AdminsGroup)),
		bind("marina:developers", controlplane.DevelopersGroup, group(controlplane.DevelopersGroup)),
		bind("marina:developers-edit", "edit", group(controlplane.DevelopersGroup)),
		bind("marina:viewers", controlplane.ViewersGroup, group(controlplane.ViewersGroup)),
		bind("marina:viewers-view", "view", group(controlplane.ViewersGroup)),
		bind(console.Name, console.Name, rbac.Subject{Kind: rbac.UserKind, APIGroup: rbac.GroupName, Name: console.Name}),
		bind("marina:node-bootstrappers", "system:node-bootstrapper", group(BootstrappersGroup)),
		// kube-proxy and marina-agent use the node's own certificate; the Node
		// authorizer alone lets a node read no other Node (KEP-4601).
		bind("marina:node-proxiers", "system:node-proxier", group(NodesGroup)),
		bind("marina:kubelet-client", "system:kubelet-api-admin",
			rbac.Subject{Kind: rbac.UserKind, APIGroup: rbac.GroupName, Name: KubeletClient}),
	}
}

// bootstrapped reports whether all roles and bindings are as they should be.
func bootstrapped(ctx context.Context, k kubernetes.Interface) (bool, error) {
	ours := meta.ListOptions{LabelSelector: managedBy + "=" + marina}
	haveRoles, err := k.RbacV1().ClusterRoles().List(ctx, ours)
	if err != nil {
		return false, fmt.Errorf("list Marina's roles: %w", err)
	}
	for _, want := range roles() {
		if !slices.ContainsFunc(haveRoles.Items, func(have rbac.ClusterRole) bool {
			return have.Name == want.Name && have.AggregationRule == nil && equality.Semantic.DeepEqual(have.Rules, want.Rules)
		}) {
			return false, nil
		}
	}
	list, err := k.RbacV1().ClusterRoleBindings().List(ctx, ours)
	if err != nil {
		return false, fmt.Errorf("list Marina's bindings: %w", err)
	}
	for _, want := range bindings() {
		if !slices.ContainsFunc(list.Items, func(have rbac.ClusterRoleBinding) bool {
			return have.Name == want.Name && have.RoleRef == want.RoleRef && slices.Equal(have.Subjects, want.Subjects)
		}) {
			return false, nil
		}
	}
	return true, nil
}

// bootstrap brings all roles and bindings to what they should be.
func bootstrap(ctx context.Context, k kubernetes.Interface) error {
	if err := bootstrapRoles(ctx, k); err != nil {
		return err
	}
	api := k.RbacV1().ClusterRoleBindings()
	for _, want := range bindings() {
		_, err := api.Create(ctx, &want, meta.CreateOptions{})
		if err == nil {
			continue
		}
		if !apierrors.IsAlreadyExists(err) {
			return fmt.Errorf("create binding %s: %w", want.Name, err)
		}
		have, err := api.Get(ctx, want.Name, meta.GetOptions{})
		if err != nil {
			return fmt.Errorf("read binding %s: %w", want.Name, err)
		}
		if have.RoleRef != want.RoleRef { // which cannot be changed in place
			if err := api.Delete(ctx, want.Name, meta.DeleteOptions{}); err != nil && !apierrors.IsNotFound(err) {
				return fmt.Errorf("delete changed binding %s: %w", want.Name, err)
			}
			if _, err := api.Create(ctx, &want, meta.CreateOptions{}); err != nil {
				return fmt.Errorf("create binding %s again: %w", want.Name, err)
			}
			continue
		}
		want.ResourceVersion = have.ResourceVersion
		if _, err := api.Update(ctx, &want, meta.UpdateOptions{}); err != nil {
			return fmt.Errorf("repair binding %s: %w", want.Name, err)
		}
	}
	return nil
}

func bootstrapRoles(ctx context.Context, k kubernetes.Interface) error {
	api := k.RbacV1().ClusterRoles()
	for _, want := range roles() {
		_, err := api.Create(ctx, &want, meta.CreateOptions{})
		if err == nil {
			continue
		}
		if !apierrors.IsAlreadyExists(err) {
			return fmt.Errorf("create role %s: %w", want.Name, err)
		}
		have, err := api.Get(ctx, want.Name, meta.GetOptions{})
		if err != nil {
			return fmt.Errorf("read role %s: %w", want.Name, err)
		}
		want.ResourceVersion = have.ResourceVersion
		if _, err := api.Update(ctx, &want, meta.UpdateOptions{}); err != nil {
			return fmt.Errorf("repair role %s: %w", want.Name, err)
		}
	}
	return nil
}
