import type { components } from "../api/schema";

export type Authentication = components["schemas"]["Authentication"];
export type Issuer = components["schemas"]["JWTAuthenticator"];

/** One issuer in the words of a form: claims with prefixes, and no expressions. */
export interface Simple {
  url: string;
  client: string;
  username: string;
  usernamePrefix: string;
  groups: string; // empty: tokens tell of none
  groupsPrefix: string;
}

export const fresh: Simple = { url: "", client: "", username: "sub", usernamePrefix: "oidc:", groups: "groups", groupsPrefix: "oidc:" };

/** Where a complaint of the API belongs in the form. */
export const places: Record<keyof Simple, string[]> = {
  url: ["jwt[0].issuer.url"],
  client: ["jwt[0].issuer.audiences", "jwt[0].issuer.audiences[0]"],
  username: ["jwt[0].claimMappings.username", "jwt[0].claimMappings.username.claim"],
  usernamePrefix: ["jwt[0].claimMappings.username.prefix"],
  groups: ["jwt[0].claimMappings.groups", "jwt[0].claimMappings.groups.claim"],
  groupsPrefix: ["jwt[0].claimMappings.groups.prefix"],
};

export function written(s: Simple): Issuer {
  return {
    issuer: { url: s.url.trim(), audiences: [s.client.trim()] },
    claimMappings: {
      username: { claim: s.username.trim(), prefix: s.usernamePrefix },
      ...(s.groups.trim() ? { groups: { claim: s.groups.trim(), prefix: s.groupsPrefix } } : {}),
    },
  };
}

/** What the form can show of an authentication; undefined: it says more than the form can. */
export function simple({ jwt }: Authentication): Simple | undefined {
  if (jwt.length === 0) return fresh;
  const [only] = jwt;
  if (jwt.length > 1 || !only) return undefined;
  const { username, groups } = only.claimMappings;
  const s: Simple = {
    url: only.issuer.url, client: only.issuer.audiences[0] ?? "",
    username: username.claim ?? "", usernamePrefix: username.prefix ?? "",
    groups: groups?.claim ?? "", groupsPrefix: groups?.prefix ?? fresh.groupsPrefix,
  };
  return same(only, written(s)) ? s : undefined;
}

/** Whether two values hold the same, whatever the order of their keys. */
function same(a: unknown, b: unknown): boolean {
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return a === b;
  const [left, right] = [a as Record<string, unknown>, b as Record<string, unknown>];
  const keys = new Set([...Object.keys(left), ...Object.keys(right)]);
  return [...keys].every((k) => same(left[k], right[k]));
}

/** Commands by which somebody gets in with kubelogin, kubectl's plugin for OpenID Connect. */
export function loginCommands(cluster: string, { issuer, claimMappings }: Issuer): string {
  const quoted = (s: string) => (/^[\w./:@-]+$/.test(s) ? s : `'${s.replaceAll("'", `'\\''`)}'`);
  const somebody = `${claimMappings.username.prefix ?? ""}SOMEBODY`;
  return [
    `kubectl config set-credentials ${cluster}-oidc --exec-api-version=client.authentication.k8s.io/v1 \\`,
    "  --exec-interactive-mode=IfAvailable --exec-command=kubectl --exec-arg=oidc-login --exec-arg=get-token \\",
    `  --exec-arg=--oidc-issuer-url=${quoted(issuer.url)} --exec-arg=--oidc-client-id=${quoted(issuer.audiences[0] ?? "")}`,
    `kubectl --user=${cluster}-oidc auth whoami`,
    `kubectl create clusterrolebinding somebody-views --clusterrole=view --user=${quoted(somebody)}   # by an admin`,
  ].join("\n");
}
