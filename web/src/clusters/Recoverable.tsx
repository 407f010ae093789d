import { Button, Stack, Text } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";

import { usePermission } from "../account/permission";
import { answered } from "../api/changes";
import { api, body, type Cluster } from "../api/client";
import { Failure } from "../parts/Failure";
import { Page, Panel } from "../parts/Page";
import { Status } from "../parts/Status";
import { clusterPhase } from "../words/phase";
import { date } from "../words/time";
import { ConfirmByName } from "./ConfirmByName";
import { useUndelete } from "./undelete";

/** The page of a deleted cluster that can be brought back. */
export function Recoverable({ cluster }: { cluster: Cluster }) {
  const may = usePermission("clusters:delete");
  const undelete = useUndelete();
  const queries = useQueryClient();
  const navigate = useNavigate();
  const purge = useMutation({
    mutationFn: () => body(api.DELETE("/v1/clusters/{cluster_id}", { params: { path: { cluster_id: cluster.id }, query: { purge: true } } })),
    onMutate: () => performance.now(),
    onSuccess: async (purged, _, sent) => {
      answered(queries, sent, { kind: "cluster", cluster: purged });
      await navigate({ to: "/clusters" });
    },
  });
  const until = cluster.purge_at ? date(cluster.purge_at) : "soon";
  return (
    <Page title={cluster.name} about={<><Status {...clusterPhase(cluster.phase)} /> · Kubernetes {cluster.version}</>}>
      <Stack gap="lg">
        <Panel title="This cluster is deleted">
          <Stack gap="md" maw={520} align="flex-start">
            <Text>
              It can be brought back until <strong>{until}</strong>: with all that is stored in its Kubernetes API, the same endpoint, its
              credentials and its node pools, which get new nodes.
            </Text>
            <Failure error={undelete.error} />
            {may ? <Button loading={undelete.isPending} onClick={() => undelete.mutate(cluster.id)}>Undelete</Button> : <Text c="dimmed">Your role does not allow you to bring it back.</Text>}
          </Stack>
        </Panel>
        {may ? (
          <Panel title="Delete it for good">
            <Stack gap="md" maw={520}>
              <Text>Nothing of it is kept then, and nothing brings it back.</Text>
              <Failure error={purge.error} />
              <ConfirmByName name={cluster.name} action="Delete for good" pending={purge.isPending} onConfirm={() => purge.mutate()} />
            </Stack>
          </Panel>
        ) : null}
      </Stack>
    </Page>
  );
}
