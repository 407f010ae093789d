import { Table, Text } from "@mantine/core";
import { useSuspenseInfiniteQuery } from "@tanstack/react-query";
import { getRouteApi, useNavigate } from "@tanstack/react-router";

import { TextLink } from "../parts/Link";
import { Status } from "../parts/Status";
import { clusterPhase, condition } from "../words/phase";
import { date } from "../words/time";
import { Found } from "./Found";
import { allClustersQuery } from "./queries";
import { Why } from "./Why";

const route = getRouteApi("/inside/operator/clusters");

export function Clusters() {
  const { search = "" } = route.useSearch();
  const navigate = useNavigate();
  const { data, hasNextPage, fetchNextPage, isFetchingNextPage } = useSuspenseInfiniteQuery(allClustersQuery(search));
  return (
    <Found
      title="All clusters"
      about="The clusters of all organizations."
      placeholder="Name, id or an organization's id"
      search={search}
      onSearch={(text) => void navigate({ to: "/operator/clusters", search: text ? { search: text } : {}, replace: true })}
      columns={["Name", "Organization", "Status", "Version", "Nodes", "Created"]}
      more={hasNextPage ? () => void fetchNextPage() : undefined}
      loading={isFetchingNextPage}
      rows={data.pages.flatMap((p) => p.items ?? []).map((c) => (
        <Table.Tr key={c.id}>
          <Table.Td fw={500}>{c.name}<Text size="xs" c="dimmed" ff="monospace">{c.id}</Text></Table.Td>
          <Table.Td><TextLink to="/operator/organizations" search={{ search: c.organization_id }}>{c.organization}</TextLink></Table.Td>
          <Table.Td><Status {...clusterPhase(c.phase)} />{(c.conditions ?? []).filter((x) => !x.ok).map((x) => <Why key={x.type}>{condition(x.type)}: {x.message || "not now"}</Why>)}</Table.Td>
          <Table.Td>{c.version}</Table.Td>
          <Table.Td><TextLink to="/operator/nodes" search={{ search: c.id }} aria-label={`Nodes of ${c.name}`}>Show</TextLink></Table.Td>
          <Table.Td>{date(c.created_at)}</Table.Td>
        </Table.Tr>
      ))}
    />
  );
}
