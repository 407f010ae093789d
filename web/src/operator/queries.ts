import { infiniteQueryOptions, queryOptions } from "@tanstack/react-query";

import { api, body } from "../api/client";

const page = (search: string, cursor: string | undefined) => ({ params: { query: { limit: 50, search: search || undefined, cursor } } });

interface Page {
  next_cursor?: string;
}

const paged = { initialPageParam: undefined as string | undefined, getNextPageParam: (last: Page) => last.next_cursor, refetchInterval: 15_000 };

export const allOrganizationsQuery = (search: string) =>
  infiniteQueryOptions({ ...paged, queryKey: ["operator", "organizations", search], queryFn: ({ pageParam }) => body(api.GET("/v1/operator/organizations", page(search, pageParam))) });

export const allClustersQuery = (search: string) =>
  infiniteQueryOptions({ ...paged, queryKey: ["operator", "clusters", search], queryFn: ({ pageParam }) => body(api.GET("/v1/operator/clusters", page(search, pageParam))) });

export const allNodesQuery = (search: string) =>
  infiniteQueryOptions({ ...paged, queryKey: ["operator", "nodes", search], queryFn: ({ pageParam }) => body(api.GET("/v1/operator/nodes", page(search, pageParam))) });

export const installationQuery = queryOptions({
  queryKey: ["operator", "installation"],
  queryFn: () => body(api.GET("/v1/operator/installation")),
  refetchInterval: 10_000,
});

export const mailsQuery = (to: string) =>
  infiniteQueryOptions({
    ...paged, queryKey: ["operator", "mails", to],
    queryFn: ({ pageParam }) => body(api.GET("/v1/operator/mails", { params: { query: { limit: 50, to: to || undefined, cursor: pageParam } } })),
  });

export const mailQuery = (id: string) =>
  queryOptions({ queryKey: ["operator", "mail", id], queryFn: () => body(api.GET("/v1/operator/mails/{mail_id}", { params: { path: { mail_id: id } } })) });
