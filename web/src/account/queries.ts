import { queryOptions } from "@tanstack/react-query";

import { api, body, everything } from "../api/client";

export const totpQuery = queryOptions({ queryKey: ["totp"], queryFn: () => body(api.GET("/v1/account/totp")) });

export const passkeysQuery = queryOptions({
  queryKey: ["passkeys"],
  queryFn: () => everything((cursor) => api.GET("/v1/account/passkeys", { params: { query: { limit: 100, cursor } } })),
});

export const providersQuery = queryOptions({
  queryKey: ["providers"],
  queryFn: async () => (await body(api.GET("/v1/login/openid"))).items ?? [],
  staleTime: 300_000,
});

export const identitiesQuery = queryOptions({
  queryKey: ["identities"],
  queryFn: () => everything((cursor) => api.GET("/v1/account/identities", { params: { query: { limit: 100, cursor } } })),
});
