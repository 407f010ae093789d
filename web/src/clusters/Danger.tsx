import { Button, Stack, Text, TextInput } from "@mantine/core";
import { useMutation, useQueryClient, useSuspenseQuery } from "@tanstack/react-query";
import { getRouteApi, useNavigate } from "@tanstack/react-router";
import { type FormEvent, useState } from "react";

import { usePermission } from "../account/permission";
import { answered } from "../api/changes";
import { api, body } from "../api/client";
import { clusterQuery, nodesQuery, poolsQuery } from "../api/queries";
import { Failure } from "../parts/Failure";
import { Panel } from "../parts/Page";
import { nodes as inWords } from "../words/size";

const route = getRouteApi("/inside/clusters/$id");

export function Danger() {
  const { id } = route.useParams();
  const { data: cluster } = useSuspenseQuery(clusterQuery(id));
  const { data: pools } = useSuspenseQuery(poolsQuery(id));
  const { data: nodes } = useSuspenseQuery(nodesQuery(id));
  const may = usePermission("clusters:delete");
  const queries = useQueryClient();
  const navigate = useNavigate();
  const [typed, setTyped] = useState("");
  const remove = useMutation({
    mutationFn: () => body(api.DELETE("/v1/clusters/{cluster_id}", { params: { path: { cluster_id: id } } })),
    onMutate: () => performance.now(),
    onSuccess: async (deleting, _, sent) => {
      answered(queries, sent, { kind: "cluster", cluster: deleting });
      await navigate({ to: "/clusters" });
    },
  });
  if (cluster.phase === "deleting") return <Panel title="Delete this cluster"><Text>It is being deleted.</Text></Panel>;
  const submit = (e: FormEvent) => {
    e.preventDefault();
    if (typed === cluster.name) remove.mutate();
  };
  return (
    <Panel title="Delete this cluster">
      <form onSubmit={submit}>
        <Stack gap="md" maw={520}>
          <Text>These go, and cannot be brought back:</Text>
          <ul style={{ margin: 0, paddingLeft: "1.25rem" }}>
            <li>the control plane, with everything that is stored in its Kubernetes API</li>
            <li>{pools.length === 0 ? "no node pools: there are none" : `${pools.length} node pool${pools.length === 1 ? "" : "s"} with ${inWords(nodes.length)} and what runs on them`}</li>
            <li>every kubeconfig and every token of it</li>
          </ul>
          <Failure error={remove.error} />
          {may ? (
            <>
              <TextInput label={<>Type <strong>{cluster.name}</strong> to confirm</>} value={typed} onChange={(e) => setTyped(e.target.value)} autoComplete="off" spellCheck={false} />
              <Button type="submit" color="red.9" disabled={typed !== cluster.name} loading={remove.isPending} style={{ alignSelf: "flex-start" }}>Delete cluster</Button>
            </>
          ) : <Text c="dimmed">Your role does not allow you to delete clusters.</Text>}
        </Stack>
      </form>
    </Panel>
  );
}
