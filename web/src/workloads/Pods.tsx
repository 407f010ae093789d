import { Button, Group, Table, Text } from "@mantine/core";
import { useInfiniteQuery, useSuspenseQuery } from "@tanstack/react-query";

import type { Pod } from "../api/client";
import { nodesQuery } from "../api/queries";
import { ButtonLink } from "../parts/Link";
import { Empty, Panel } from "../parts/Page";
import { Status } from "../parts/Status";
import { Wide } from "../parts/Wide";
import { age } from "../words/age";
import { podTone } from "../words/pod";
import { podsQuery } from "./queries";
import { Refused } from "./Refused";

interface Props {
  cluster: string;
  namespace: string;
}

export function Pods({ cluster, namespace }: Props) {
  const pods = useInfiniteQuery(podsQuery(cluster, namespace));
  const all = pods.data?.pages.flatMap((page) => page.items ?? []) ?? [];
  return (
    <Panel title="Pods" flush>
      {pods.error ? <Refused error={pods.error} what="pods" namespace={namespace} /> : null}
      {pods.isPending ? <Text c="dimmed" p="md">Asking the cluster…</Text> : null}
      {pods.isSuccess && all.length === 0 ? <None cluster={cluster} namespace={namespace} /> : null}
      {pods.isSuccess && all.length > 0 ? <PodTable pods={all} everywhere={!namespace} now={pods.dataUpdatedAt} /> : null}
      {pods.hasNextPage ? <Group justify="center" p="sm"><Button variant="default" size="xs" loading={pods.isFetchingNextPage} onClick={() => void pods.fetchNextPage()}>Show more</Button></Group> : null}
    </Panel>
  );
}

function PodTable({ pods, everywhere, now }: { pods: Pod[]; everywhere: boolean; now: number }) {
  return (
    <Wide label="Pods">
      <Table verticalSpacing="xs" horizontalSpacing="md">
        <Table.Thead>
          <Table.Tr>{everywhere ? <Table.Th>Namespace</Table.Th> : null}<Table.Th>Name</Table.Th><Table.Th>Ready</Table.Th><Table.Th>Status</Table.Th><Table.Th>Restarts</Table.Th><Table.Th>Age</Table.Th><Table.Th>Node</Table.Th></Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {pods.map((p) => (
            <Table.Tr key={`${p.namespace}/${p.name}`}>
              {everywhere ? <Table.Td c="dimmed">{p.namespace}</Table.Td> : null}
              <Table.Td fw={500}>{p.name}</Table.Td>
              <Table.Td>{p.ready}</Table.Td>
              <Table.Td><Status text={p.status} tone={podTone(p)} /></Table.Td>
              <Table.Td>{p.restarts}</Table.Td>
              <Table.Td>{age(p.created_at, now)}</Table.Td>
              <Table.Td>{p.node || "–"}</Table.Td>
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
    </Wide>
  );
}

function None({ cluster, namespace }: Props) {
  const { data: nodes } = useSuspenseQuery(nodesQuery(cluster));
  const params = { id: cluster };
  if (nodes.length === 0) {
    return <Empty title="No pods yet" action={<ButtonLink to="/clusters/$id/nodes" params={params} variant="default">Add nodes</ButtonLink>}>Pods need nodes to run on, and the cluster has none.</Empty>;
  }
  return (
    <Empty title={namespace ? `No pods in ${namespace}` : "No pods yet"} action={<ButtonLink to="/clusters/$id/terminal" params={params} variant="default">Open the terminal</ButtonLink>}>
      Start some with kubectl, as in: kubectl create deployment web --image=nginx
    </Empty>
  );
}
