import createClient from "openapi-fetch";

import { organizationHeader } from "./organization";
import type { components, paths } from "./schema";

type Schemas = components["schemas"];
export type AuditLine = Schemas["AuditView"];
export type Account = Schemas["AccountView"];
export type Change = Schemas["ChangeView"];
export type Cluster = Schemas["ClusterView"];
export type ClusterUse = Schemas["ClusterUseView"];
export type Condition = Schemas["ConditionView"];
export type Credential = Schemas["CredentialView"];
export type Event = Schemas["EventView"];
export type Happening = Schemas["HappeningView"];
export type KubernetesEvent = Schemas["KubernetesEventView"];
export type Mail = Schemas["MailView"];
export type Member = Schemas["MemberView"];
export type Node = Schemas["NodeView"];
export type Options = Schemas["OptionsView"];
export type Overview = Schemas["OverviewView"];
export type Passkey = Schemas["PasskeyView"];
export type Pod = Schemas["PodView"];
export type Pool = Schemas["PoolView"];
export type Price = Schemas["PriceView"];
export type Session = Schemas["SessionView"];
export type Size = Schemas["SizeView"];
export type Token = Schemas["TokenView"];

/** The REST API. The session is a cookie, which the browser sends by itself. */
export const api = createClient<paths>({ baseUrl: "/" });

api.use({
  onRequest({ request }) {
    for (const [name, value] of Object.entries(organizationHeader())) request.headers.set(name, value);
    return request;
  },
});

/** The body of a good answer; a refusal is thrown as the problem that it is. */
export async function body<T>(answer: Promise<{ data?: T; error?: unknown }>): Promise<T> {
  const { data, error } = await answer;
  if (error !== undefined) throw error;
  return data as T;
}

interface Page<T> {
  items: T[] | null;
  next_cursor?: string;
}

/** Everything on all pages of a list. */
export async function everything<T>(page: (cursor: string | undefined) => Promise<{ data?: Page<T>; error?: unknown }>): Promise<T[]> {
  const all: T[] = [];
  let cursor: string | undefined;
  do {
    const { items, next_cursor } = await body(page(cursor));
    all.push(...(items ?? []));
    cursor = next_cursor;
  } while (cursor);
  return all;
}
