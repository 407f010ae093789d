import { Alert, Stack, Text } from "@mantine/core";
import { useMutation, useQueryClient, useSuspenseQuery } from "@tanstack/react-query";
import { getRouteApi, useNavigate } from "@tanstack/react-router";

import { usePermission } from "../account/permission";
import { answered } from "../api/changes";
import { api, body } from "../api/client";
import { clusterQuery, nodesQuery, poolsQuery } from "../api/queries";
import { Failure } from "../parts/Failure";
import { TextLink } from "../parts/Link";
import { Panel } from "../parts/Page";
import { nodes as inWords } from "../words/size";
import { ConfirmByName } from "./ConfirmByName";

const route = getRouteApi("/inside/clusters/$id");

export function Danger() {
  const { id } = route.useParams();
  const { data: cluster } = useSuspenseQuery(clusterQuery(id));
  const { data: pools } = useSuspenseQuery(poolsQuery(id));
  const { data: nodes } = useSuspenseQuery(nodesQuery(id));
  const may = usePermission("clusters:delete");
  const queries = useQueryClient();
  const navigate = useNavigate();
  const remove = useMutation({
    mutationFn: () => body(api.DELETE("/v1/clusters/{cluster_id}", { params: { path: { cluster_id: id } } })),
    onMutate: () => performance.now(),
    onSuccess: async (deleting, _, sent) => {
      answered(queries, sent, { kind: "cluster", cluster: deleting });
      await navigate({ to: "/clusters" });
    },
  });
  if (cluster.phase === "deleting") return <Panel title="Delete this cluster"><Text>It is being deleted.</Text></Panel>;
  return (
    <Panel title="Delete this cluster">
      <Stack gap="md" maw={520}>
        <Text>These stop at once:</Text>
        <ul style={{ margin: 0, paddingLeft: "1.25rem" }}>
          <li>the control plane: nobody can use its Kubernetes API, nor any kubeconfig or token of it</li>
          <li>{nodes.length === 0 ? "no nodes: there are none" : `${inWords(nodes.length)} in ${pools.length} node pool${pools.length === 1 ? "" : "s"}, with what runs and what is stored on them`}</li>
        </ul>
        <Text>
          For seven days, unless your operator chose another time, the cluster can be brought back from the list of clusters: with all that
          is stored in its Kubernetes API, the same endpoint and credentials, and its node pools with new nodes. After that nothing is kept.
        </Text>
        <Failure error={remove.error} />
        {cluster.deletion_protection ? (
          <Alert color="yellow" variant="light">Deletion protection is on. Take it off in the <TextLink to="/clusters/$id/settings" params={{ id }}>settings</TextLink> first.</Alert>
        ) : may ? <ConfirmByName name={cluster.name} action="Delete cluster" pending={remove.isPending} onConfirm={() => remove.mutate()} />
          : <Text c="dimmed">Your role does not allow you to delete clusters.</Text>}
      </Stack>
    </Panel>
  );
}
