import { queryOptions } from "@tanstack/react-query";

import { api, body, everything } from "./client";

export const accountQuery = queryOptions({
  queryKey: ["account"],
  queryFn: () => body(api.GET("/v1/account")),
  staleTime: 60_000,
});

export const optionsQuery = queryOptions({
  queryKey: ["options"],
  queryFn: () => body(api.GET("/v1/options")),
  staleTime: 300_000,
});

export const clustersQuery = queryOptions({
  queryKey: ["clusters"],
  queryFn: () => everything((cursor) => api.GET("/v1/clusters", { params: { query: { limit: 100, cursor } } })),
});

// Deleted ones that can be brought back.
export const deletedQuery = queryOptions({
  queryKey: ["deleted clusters"],
  queryFn: () => everything((cursor) => api.GET("/v1/clusters", { params: { query: { deleted: true, limit: 100, cursor } } })),
});

// It is told by no stream as a whole; what streams tell makes it be read again.
export const overviewQuery = queryOptions({ queryKey: ["overview"], queryFn: () => body(api.GET("/v1/overview")), refetchInterval: 30_000 });

const at = (cluster_id: string, cursor?: string) => ({ params: { path: { cluster_id }, query: { limit: 100, cursor } } });

export const clusterQuery = (id: string) =>
  queryOptions({ queryKey: ["cluster", id], queryFn: () => body(api.GET("/v1/clusters/{cluster_id}", { params: { path: { cluster_id: id } } })) });

export const poolsQuery = (id: string) =>
  queryOptions({ queryKey: ["pools", id], queryFn: () => everything((cursor) => api.GET("/v1/clusters/{cluster_id}/node-pools", at(id, cursor))) });

export const nodesQuery = (id: string) =>
  queryOptions({ queryKey: ["nodes", id], queryFn: () => everything((cursor) => api.GET("/v1/clusters/{cluster_id}/nodes", at(id, cursor))) });

export const eventsQuery = (id: string) =>
  queryOptions({ queryKey: ["events", id], queryFn: () => everything((cursor) => api.GET("/v1/clusters/{cluster_id}/events", at(id, cursor))) });

/** No stream tells of credentials, nor from where one is seen: both are asked for while they are looked at. */
export const credentialsQuery = (id: string) =>
  queryOptions({
    queryKey: ["credentials", id],
    queryFn: () => everything((cursor) => api.GET("/v1/clusters/{cluster_id}/credentials", at(id, cursor))),
    refetchInterval: 15_000,
  });

export const networksQuery = (id: string) =>
  queryOptions({
    queryKey: ["networks", id],
    queryFn: () => body(api.GET("/v1/clusters/{cluster_id}/authorized-networks", { params: { path: { cluster_id: id } } })),
    refetchInterval: 15_000,
  });

export const authenticationQuery = (id: string) =>
  queryOptions({ queryKey: ["authentication", id], queryFn: () => body(api.GET("/v1/clusters/{cluster_id}/authentication", { params: { path: { cluster_id: id } } })) });

export const sessionsQuery = queryOptions({
  queryKey: ["sessions"],
  queryFn: () => everything((cursor) => api.GET("/v1/sessions", { params: { query: { limit: 100, cursor } } })),
});

export const tokensQuery = queryOptions({
  queryKey: ["tokens"],
  queryFn: () => everything((cursor) => api.GET("/v1/tokens", { params: { query: { limit: 100, cursor } } })),
});
