import { Button, Text } from "@mantine/core";
import { createRootRoute, createRoute, createRouter, lazyRouteComponent, type ErrorComponentProps, Outlet, redirect } from "@tanstack/react-router";

import { LogIn } from "./account/LogIn";
import { safeNext } from "./account/next";
import { identitiesQuery, passkeysQuery, providersQuery, totpQuery } from "./account/queries";
import { SignUp } from "./account/SignUp";
import { forgetOrganization } from "./api/organization";
import { explain, isProblem } from "./api/problem";
import { accountQuery, authenticationQuery, clusterQuery, clustersQuery, credentialsQuery, deletedQuery, eventsQuery, networksQuery, nodesQuery, optionsQuery, overviewQuery, poolsQuery, sessionsQuery, tokensQuery } from "./api/queries";
import { ClusterList } from "./clusters/ClusterList";
import { ClusterPage } from "./clusters/ClusterPage";
import { Overview } from "./clusters/Overview";
import { Dashboard } from "./dashboard/Dashboard";
import { Shell } from "./layout/Shell";
import { auditSearch } from "./organization/search";
import { ButtonLink } from "./parts/Link";
import { Empty, Page, Panel } from "./parts/Page";
import { queries } from "./queries";

const root = createRootRoute({ component: Outlet, notFoundComponent: Nowhere, errorComponent: Broken });

const door = (search: Record<string, unknown>): { next?: string } => {
  const next = safeNext(search.next);
  return next ? { next } : {};
};
const login = createRoute({ getParentRoute: () => root, path: "/login", component: LogIn, validateSearch: door, loader: () => queries.prefetchQuery(providersQuery) });
const comeBack = createRoute({ getParentRoute: () => root, path: "/login/openid/$provider", component: lazyRouteComponent(() => import("./account/ComeBack"), "ComeBack") });
const signup = createRoute({ getParentRoute: () => root, path: "/signup", component: SignUp, validateSearch: door });
// Where links of mails lead, with a secret in the fragment.
const verify = createRoute({ getParentRoute: () => root, path: "/verify", component: lazyRouteComponent(() => import("./account/Verify"), "Verify") });
const forgot = createRoute({ getParentRoute: () => root, path: "/forgot", component: lazyRouteComponent(() => import("./account/Forgot"), "Forgot") });
const resetPassword = createRoute({ getParentRoute: () => root, path: "/reset", component: lazyRouteComponent(() => import("./account/Reset"), "Reset") });
const invitation = createRoute({ getParentRoute: () => root, path: "/invitation", component: lazyRouteComponent(() => import("./account/Invitation"), "Invitation") });

// Everything below asks who is there first, and sends strangers to log in.
const inside = createRoute({
  getParentRoute: () => root,
  id: "inside",
  component: Shell,
  beforeLoad: async ({ location }) => {
    try {
      await queries.ensureQueryData(accountQuery).catch((error: unknown) => {
        // This tab's organization is gone, or one is a member of it no more.
        if (!isProblem(error) || error.code !== "organization_not_found") throw error;
        forgetOrganization();
        return queries.ensureQueryData(accountQuery);
      });
    } catch (error) {
      if (isProblem(error) && error.status === 401) throw redirect({ to: "/login", search: door({ next: location.href }) });
      throw error;
    }
  },
});

const dashboard = createRoute({
  getParentRoute: () => inside,
  path: "/",
  component: Dashboard,
  loader: () => Promise.all([queries.ensureQueryData(clustersQuery), queries.ensureQueryData(overviewQuery)]),
});

const clusters = createRoute({ getParentRoute: () => inside, path: "/clusters", component: ClusterList, loader: () => Promise.all([queries.ensureQueryData(clustersQuery), queries.ensureQueryData(deletedQuery)]) });

const newCluster = createRoute({
  getParentRoute: () => inside,
  path: "/clusters/new",
  component: lazyRouteComponent(() => import("./clusters/CreateCluster"), "CreateCluster"),
  loader: () => queries.ensureQueryData(optionsQuery),
});

const cluster = createRoute({
  getParentRoute: () => inside,
  path: "/clusters/$id",
  component: ClusterPage,
  loader: async ({ params: { id } }) => {
    await Promise.all([
      queries.ensureQueryData(clusterQuery(id)), queries.ensureQueryData(poolsQuery(id)),
      queries.ensureQueryData(nodesQuery(id)), queries.ensureQueryData(eventsQuery(id)),
    ]);
  },
});
const overview = createRoute({ getParentRoute: () => cluster, path: "/", component: Overview });
const nodes = createRoute({
  getParentRoute: () => cluster,
  path: "/nodes",
  component: lazyRouteComponent(() => import("./clusters/Nodes"), "Nodes"),
  loader: () => queries.ensureQueryData(optionsQuery),
});
const workloads = createRoute({
  getParentRoute: () => cluster,
  path: "/workloads",
  component: lazyRouteComponent(() => import("./workloads/Workloads"), "Workloads"),
  validateSearch: (search: Record<string, unknown>): { namespace?: string } => (typeof search.namespace === "string" && search.namespace ? { namespace: search.namespace } : {}),
});
const terminal = createRoute({ getParentRoute: () => cluster, path: "/terminal", component: lazyRouteComponent(() => import("./terminal/TerminalPage"), "TerminalPage") });
const access = createRoute({
  getParentRoute: () => cluster,
  path: "/access",
  component: lazyRouteComponent(() => import("./clusters/Access"), "Access"),
  loader: async ({ params: { id } }) => {
    const { permissions } = await queries.ensureQueryData(accountQuery);
    await Promise.all([
      queries.ensureQueryData(networksQuery(id)), queries.ensureQueryData(authenticationQuery(id)),
      permissions?.includes("clusters:use") ? queries.ensureQueryData(credentialsQuery(id)) : undefined,
    ]);
  },
});
const activity = createRoute({ getParentRoute: () => cluster, path: "/activity", component: lazyRouteComponent(() => import("./clusters/Activity"), "Activity") });
const logs = createRoute({ getParentRoute: () => cluster, path: "/logs", component: lazyRouteComponent(() => import("./logs/Logs"), "Logs") });
const settings = createRoute({ getParentRoute: () => cluster, path: "/settings", component: lazyRouteComponent(() => import("./clusters/Settings"), "Settings") });
const danger = createRoute({ getParentRoute: () => cluster, path: "/danger", component: lazyRouteComponent(() => import("./clusters/Danger"), "Danger") });

const tokens = createRoute({
  getParentRoute: () => inside,
  path: "/tokens",
  component: lazyRouteComponent(() => import("./account/Tokens"), "Tokens"),
  loader: () => queries.ensureQueryData(tokensQuery),
});
const members = createRoute({
  getParentRoute: () => inside,
  path: "/members",
  component: lazyRouteComponent(() => import("./organization/Members"), "Members"),
  loader: async () => {
    const { invitationsQuery, membersQuery } = await import("./organization/queries");
    await Promise.all([queries.ensureQueryData(membersQuery), queries.ensureQueryData(invitationsQuery)]);
  },
});
const audit = createRoute({
  getParentRoute: () => inside,
  path: "/audit",
  validateSearch: auditSearch,
  loaderDeps: ({ search }) => search,
  component: lazyRouteComponent(() => import("./organization/Audit"), "Audit"),
  loader: async ({ deps }) => { await queries.fetchInfiniteQuery((await import("./organization/queries")).auditQuery(deps)); },
});
const organization = createRoute({
  getParentRoute: () => inside,
  path: "/organization",
  component: lazyRouteComponent(() => import("./organization/Settings"), "Settings"),
});
const profile = createRoute({
  getParentRoute: () => inside,
  path: "/profile",
  component: lazyRouteComponent(() => import("./account/Profile"), "Profile"),
  loader: () => Promise.all([
    queries.ensureQueryData(sessionsQuery), queries.ensureQueryData(passkeysQuery), queries.ensureQueryData(totpQuery),
    queries.ensureQueryData(identitiesQuery), queries.ensureQueryData(providersQuery),
  ]),
});

// What only operators see. The server says that it is not there to everybody else.
const found = ({ search }: Record<string, unknown>): { search?: string } => (typeof search === "string" && search ? { search } : {});
const installation = createRoute({
  getParentRoute: () => inside,
  path: "/operator",
  component: lazyRouteComponent(() => import("./operator/Installation"), "Installation"),
  loader: async () => { await queries.ensureQueryData((await import("./operator/queries")).installationQuery); },
});
const allOrganizations = createRoute({
  getParentRoute: () => inside,
  path: "/operator/organizations",
  validateSearch: found,
  loaderDeps: ({ search }) => search,
  component: lazyRouteComponent(() => import("./operator/Organizations"), "Organizations"),
  loader: async ({ deps: { search = "" } }) => { await queries.ensureInfiniteQueryData((await import("./operator/queries")).allOrganizationsQuery(search)); },
});
const allClusters = createRoute({
  getParentRoute: () => inside,
  path: "/operator/clusters",
  validateSearch: found,
  loaderDeps: ({ search }) => search,
  component: lazyRouteComponent(() => import("./operator/Clusters"), "Clusters"),
  loader: async ({ deps: { search = "" } }) => { await queries.ensureInfiniteQueryData((await import("./operator/queries")).allClustersQuery(search)); },
});
const allNodes = createRoute({
  getParentRoute: () => inside,
  path: "/operator/nodes",
  validateSearch: found,
  loaderDeps: ({ search }) => search,
  component: lazyRouteComponent(() => import("./operator/Nodes"), "Nodes"),
  loader: async ({ deps: { search = "" } }) => { await queries.ensureInfiniteQueryData((await import("./operator/queries")).allNodesQuery(search)); },
});
const mails = createRoute({
  getParentRoute: () => inside,
  path: "/operator/mails",
  validateSearch: found,
  loaderDeps: ({ search }) => search,
  component: lazyRouteComponent(() => import("./operator/Mails"), "Mails"),
  loader: async ({ deps: { search = "" } }) => { await queries.ensureInfiniteQueryData((await import("./operator/queries")).mailsQuery(search)); },
});
// What leads nowhere is said within the frame.
const nowhere = createRoute({ getParentRoute: () => inside, path: "$", component: Nowhere });

const operator = [installation, allOrganizations, allClusters, allNodes, mails] as const;

export const router = createRouter({
  routeTree: root.addChildren([
    login, comeBack, signup, verify, forgot, resetPassword, invitation,
    inside.addChildren([dashboard, clusters, newCluster, cluster.addChildren([overview, nodes, workloads, terminal, access, activity, logs, settings, danger]), members, tokens, audit, organization, profile, ...operator, nowhere]),
  ]),
  defaultPreload: "intent",
  defaultErrorComponent: Broken,
  defaultNotFoundComponent: Nowhere,
  scrollRestoration: true,
});

declare module "@tanstack/react-router" {
  interface Register {
    router: typeof router;
  }
}

function Nowhere() {
  return (
    <Page title="There is no such page">
      <Panel><Empty title="Nothing is here" action={<ButtonLink to="/clusters" variant="default">To your clusters</ButtonLink>}>The address may be mistyped, or what it led to is gone.</Empty></Panel>
    </Page>
  );
}

function Broken({ error, reset }: ErrorComponentProps) {
  const missing = isProblem(error) && error.status === 404;
  return (
    <Page title={missing ? "Not found" : "That did not work"}>
      <Panel>
        <Empty
          title={missing ? "Nothing is here" : "The page could not be loaded"}
          action={missing ? <ButtonLink to="/clusters" variant="default">To your clusters</ButtonLink> : <Button variant="default" onClick={() => { reset(); void router.invalidate(); }}>Try again</Button>}
        >
          <Text component="span">{explain(error)}</Text>
        </Empty>
      </Panel>
    </Page>
  );
}
