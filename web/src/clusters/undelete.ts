import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";

import { answered } from "../api/changes";
import { api, body } from "../api/client";
import { deletedQuery } from "../api/queries";

/** Brings a deleted cluster back, and goes to its page. */
export function useUndelete() {
  const queries = useQueryClient();
  const navigate = useNavigate();
  return useMutation({
    mutationFn: (id: string) => body(api.POST("/v1/clusters/{cluster_id}/undelete", { params: { path: { cluster_id: id } } })),
    onMutate: () => performance.now(),
    onSuccess: async (cluster, id, sent) => {
      answered(queries, sent, { kind: "cluster", cluster });
      void queries.invalidateQueries(deletedQuery);
      await navigate({ to: "/clusters/$id", params: { id } });
    },
  });
}
