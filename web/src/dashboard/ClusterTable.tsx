import { Table } from "@mantine/core";

import type { Cluster, ClusterUse } from "../api/client";
import { TextLink } from "../parts/Link";
import { Status } from "../parts/Status";
import { Wide } from "../parts/Wide";
import { money } from "../words/money";
import { clusterPhase } from "../words/phase";

/** Clusters with how they are and what they cost. */
export function ClusterTable({ clusters, uses, currency }: { clusters: Cluster[]; uses: ClusterUse[]; currency: string }) {
  return (
    <Wide label="Clusters">
      <Table verticalSpacing="sm" horizontalSpacing="md">
        <Table.Thead>
          <Table.Tr><Table.Th>Name</Table.Th><Table.Th>Status</Table.Th><Table.Th>Nodes ready</Table.Th><Table.Th ta="right">An hour</Table.Th><Table.Th ta="right">A month, at most</Table.Th></Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {clusters.map((c) => {
            const use = uses.find((u) => u.cluster_id === c.id);
            return (
              <Table.Tr key={c.id}>
                <Table.Td><TextLink to="/clusters/$id" params={{ id: c.id }} fw={600}>{c.name}</TextLink></Table.Td>
                <Table.Td><Status {...clusterPhase(c.phase)} /></Table.Td>
                <Table.Td>{use && use.nodes > 0 ? `${use.nodes_ready} of ${use.nodes}` : "no nodes"}</Table.Td>
                <Table.Td ta="right">{use?.price ? money(Number(use.price.hour), currency, 4) : "–"}</Table.Td>
                <Table.Td ta="right">{use?.price ? money(Number(use.price.month), currency, 2) : "–"}</Table.Td>
              </Table.Tr>
            );
          })}
        </Table.Tbody>
      </Table>
    </Wide>
  );
}
