import { Table, Text } from "@mantine/core";
import { useSuspenseInfiniteQuery } from "@tanstack/react-query";
import { getRouteApi, useNavigate } from "@tanstack/react-router";

import { TextLink } from "../parts/Link";
import { date } from "../words/time";
import { Found } from "./Found";
import { allOrganizationsQuery } from "./queries";

const route = getRouteApi("/inside/operator/organizations");

export function Organizations() {
  const { search = "" } = route.useSearch();
  const navigate = useNavigate();
  const { data, hasNextPage, fetchNextPage, isFetchingNextPage } = useSuspenseInfiniteQuery(allOrganizationsQuery(search));
  return (
    <Found
      title="Organizations"
      about="All organizations of this installation."
      placeholder="Name, id or a member's e-mail address"
      search={search}
      onSearch={(text) => void navigate({ to: "/operator/organizations", search: text ? { search: text } : {}, replace: true })}
      columns={["Name", "Owner", "Members", "Clusters", "Nodes", "Created"]}
      more={hasNextPage ? () => void fetchNextPage() : undefined}
      loading={isFetchingNextPage}
      rows={data.pages.flatMap((p) => p.items ?? []).map((o) => (
        <Table.Tr key={o.id}>
          <Table.Td fw={500}>{o.name}<Text size="xs" c="dimmed" ff="monospace">{o.id}</Text></Table.Td>
          <Table.Td>{o.owner || "–"}</Table.Td>
          <Table.Td>{o.members}</Table.Td>
          <Table.Td>{o.clusters > 0 ? <TextLink to="/operator/clusters" search={{ search: o.id }}>{o.clusters}</TextLink> : 0}</Table.Td>
          <Table.Td>{o.nodes > 0 ? <TextLink to="/operator/nodes" search={{ search: o.id }}>{o.nodes}</TextLink> : 0}</Table.Td>
          <Table.Td>{date(o.created_at)}</Table.Td>
        </Table.Tr>
      ))}
    />
  );
}
