import { Table, Text } from "@mantine/core";
import { useSuspenseInfiniteQuery } from "@tanstack/react-query";
import { getRouteApi, useNavigate } from "@tanstack/react-router";

import { TextLink } from "../parts/Link";
import { Status } from "../parts/Status";
import { nodePhase } from "../words/phase";
import { date } from "../words/time";
import { Found } from "./Found";
import { allNodesQuery } from "./queries";
import { Why } from "./Why";

const route = getRouteApi("/inside/operator/nodes");

export function Nodes() {
  const { search = "" } = route.useSearch();
  const navigate = useNavigate();
  const { data, hasNextPage, fetchNextPage, isFetchingNextPage } = useSuspenseInfiniteQuery(allNodesQuery(search));
  return (
    <Found
      title="All nodes"
      about="The nodes of all clusters, and the machines that they run on."
      placeholder="Name, address or any id"
      search={search}
      onSearch={(text) => void navigate({ to: "/operator/nodes", search: text ? { search: text } : {}, replace: true })}
      columns={["Node", "Cluster", "Status", "Machine", "Address", "Created"]}
      more={hasNextPage ? () => void fetchNextPage() : undefined}
      loading={isFetchingNextPage}
      rows={data.pages.flatMap((p) => p.items ?? []).map((n) => (
        <Table.Tr key={n.id}>
          <Table.Td fw={500}>{n.name}<Text size="xs" c="dimmed" ff="monospace">{n.id}</Text></Table.Td>
          <Table.Td><TextLink to="/operator/clusters" search={{ search: n.cluster_id }} ff="monospace" fz="xs">{n.cluster_id}</TextLink></Table.Td>
          <Table.Td><Status {...nodePhase(n)} />{!n.ready && n.message ? <Why>{n.message}</Why> : null}</Table.Td>
          <Table.Td>{n.provider}, {n.size}</Table.Td>
          <Table.Td>{n.address || "–"}</Table.Td>
          <Table.Td>{date(n.created_at)}</Table.Td>
        </Table.Tr>
      ))}
    />
  );
}
