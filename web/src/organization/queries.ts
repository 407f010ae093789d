import { infiniteQueryOptions, queryOptions } from "@tanstack/react-query";

import { api, body, everything } from "../api/client";
import type { AuditSearch } from "./search";

export const membersQuery = queryOptions({
  queryKey: ["members"],
  queryFn: () => everything((cursor) => api.GET("/v1/members", { params: { query: { limit: 100, cursor } } })),
});

export const invitationsQuery = queryOptions({
  queryKey: ["invitations"],
  queryFn: () => everything((cursor) => api.GET("/v1/invitations", { params: { query: { limit: 100, cursor } } })),
});

/** The search as the API takes it. Days are whole ones, so that the same search is the same question. */
export function auditParameters({ actor, action, resource, days }: AuditSearch) {
  const day = 86_400_000;
  const since = days ? new Date(Math.floor((Date.now() - days * day) / 60_000) * 60_000).toISOString() : undefined;
  return { actor: actor || undefined, action: action || undefined, resource: resource || undefined, since };
}

export const auditQuery = (search: AuditSearch) =>
  infiniteQueryOptions({
    queryKey: ["audit", search],
    queryFn: ({ pageParam }) => body(api.GET("/v1/audit", { params: { query: { limit: 50, cursor: pageParam || undefined, ...auditParameters(search) } } })),
    initialPageParam: "",
    getNextPageParam: (page) => page.next_cursor,
  });
