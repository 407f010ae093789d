import { Button, Stack, Table, Text } from "@mantine/core";
import { useSuspenseQuery } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";

import type { Cluster } from "../api/client";
import { useLive } from "../api/live";
import { clustersQuery, deletedQuery } from "../api/queries";
import { usePermission } from "../account/permission";
import { PlusIcon } from "../parts/icons";
import { ButtonLink, TextLink } from "../parts/Link";
import { Failure } from "../parts/Failure";
import { Empty, Page, Panel } from "../parts/Page";
import { Status } from "../parts/Status";
import { Wide } from "../parts/Wide";
import { clusterPhase } from "../words/phase";
import { date } from "../words/time";
import { useUndelete } from "./undelete";

export function ClusterList() {
  const { data: clusters } = useSuspenseQuery(clustersQuery);
  useLive();
  const mayCreate = usePermission("clusters:write");
  const create = mayCreate ? <ButtonLink to="/clusters/new" leftSection={<PlusIcon />}>Create cluster</ButtonLink> : null;
  return (
    <Page title="Clusters" actions={clusters.length > 0 ? create : null}>
      <Stack gap="lg">
        {clusters.length === 0 ? (
          <Panel>
            <Empty title={mayCreate ? "Create your first cluster" : "No clusters yet"} action={create}>
              A cluster is a Kubernetes API of your own, ready in a few seconds. Its control plane runs here; you add nodes when you
              want to run something, and use plain kubectl.
            </Empty>
          </Panel>
        ) : (
          <Panel flush>
            <Wide label="Clusters">
              <Table verticalSpacing="sm" horizontalSpacing="md" highlightOnHover>
                <Table.Thead>
                  <Table.Tr><Table.Th>Name</Table.Th><Table.Th>Status</Table.Th><Table.Th>Version</Table.Th><Table.Th visibleFrom="sm">Created</Table.Th></Table.Tr>
                </Table.Thead>
                <Table.Tbody>{clusters.map((c) => <Row key={c.id} cluster={c} />)}</Table.Tbody>
              </Table>
            </Wide>
          </Panel>
        )}
        <Deleted />
      </Stack>
    </Page>
  );
}

/** The deleted clusters that can be brought back; nothing where there are none. */
function Deleted() {
  const { data: clusters } = useSuspenseQuery(deletedQuery);
  const may = usePermission("clusters:delete");
  const undelete = useUndelete();
  if (clusters.length === 0) return null;
  return (
    <Panel title="Deleted clusters" flush>
      <Failure error={undelete.error} />
      <Wide label="Deleted clusters">
        <Table verticalSpacing="sm" horizontalSpacing="md">
          <Table.Thead>
            <Table.Tr><Table.Th>Name</Table.Th><Table.Th>Can be brought back until</Table.Th><Table.Th aria-label="Actions" /></Table.Tr>
          </Table.Thead>
          <Table.Tbody>
            {clusters.map((c) => (
              <Table.Tr key={c.id}>
                <Table.Td>
                  <TextLink to="/clusters/$id" params={{ id: c.id }} fw={600}>{c.name}</TextLink>
                  <Text size="xs" c="dimmed" ff="monospace" visibleFrom="sm">{c.id}</Text>
                </Table.Td>
                <Table.Td>{c.purge_at ? date(c.purge_at) : "soon"}</Table.Td>
                <Table.Td ta="right">
                  {may ? <Button size="xs" variant="default" loading={undelete.isPending && undelete.variables === c.id} onClick={() => undelete.mutate(c.id)} aria-label={`Undelete ${c.name}`}>Undelete</Button> : null}
                </Table.Td>
              </Table.Tr>
            ))}
          </Table.Tbody>
        </Table>
      </Wide>
    </Panel>
  );
}

function Row({ cluster }: { cluster: Cluster }) {
  const navigate = useNavigate();
  const open = () => void navigate({ to: "/clusters/$id", params: { id: cluster.id } });
  return (
    // A pointer may press anywhere; the link in it is for everybody else.
    <Table.Tr onClick={open} style={{ cursor: "pointer" }}>
      <Table.Td>
        <TextLink to="/clusters/$id" params={{ id: cluster.id }} fw={600} onClick={(e) => e.stopPropagation()}>{cluster.name}</TextLink>
        <Text size="xs" c="dimmed" ff="monospace" visibleFrom="sm">{cluster.id}</Text>
      </Table.Td>
      <Table.Td><Status {...clusterPhase(cluster.phase)} /></Table.Td>
      <Table.Td>{cluster.version}</Table.Td>
      <Table.Td visibleFrom="sm">{date(cluster.created_at)}</Table.Td>
    </Table.Tr>
  );
}
