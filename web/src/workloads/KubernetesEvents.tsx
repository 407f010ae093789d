import { Table, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";

import type { KubernetesEvent } from "../api/client";
import { Panel } from "../parts/Page";
import { Status } from "../parts/Status";
import { Wide } from "../parts/Wide";
import { age } from "../words/age";
import { kubernetesEventsQuery } from "./queries";
import { Refused } from "./Refused";

/** What Kubernetes says of its objects, the newest first. It forgets after an hour. */
export function KubernetesEvents({ cluster, namespace }: { cluster: string; namespace: string }) {
  const events = useQuery(kubernetesEventsQuery(cluster, namespace));
  const items = events.data?.items ?? [];
  return (
    <Panel title="Events" flush>
      {events.error ? <Refused error={events.error} what="events" namespace={namespace} /> : null}
      {events.isPending ? <Text c="dimmed" p="md">Asking the cluster…</Text> : null}
      {events.isSuccess && items.length === 0 ? <Text c="dimmed" p="md">Nothing happened in the last hour. Kubernetes tells here why a pod does not start, and forgets it after an hour.</Text> : null}
      {events.isSuccess && items.length > 0 ? <EventTable events={items} everywhere={!namespace} now={events.dataUpdatedAt} /> : null}
      {events.data?.more ? <Text size="xs" c="dimmed" px="md" py="xs">There are more. Choose a namespace to see fewer, or ask with kubectl get events.</Text> : null}
    </Panel>
  );
}

function EventTable({ events, everywhere, now }: { events: KubernetesEvent[]; everywhere: boolean; now: number }) {
  return (
    <Wide label="Events">
      <Table verticalSpacing="xs" horizontalSpacing="md" className="events">
        <Table.Thead><Table.Tr><Table.Th>Last seen</Table.Th><Table.Th>What happened</Table.Th></Table.Tr></Table.Thead>
        <Table.Tbody>
          {events.map((e, n) => (
            // Nothing names an event that stays the same while it happens again.
            // oxlint-disable-next-line react/no-array-index-key
            <Table.Tr key={n}>
              <Table.Td>{age(e.last_seen, now)}{e.count > 1 ? <Text span c="dimmed"> × {e.count}</Text> : null}</Table.Td>
              <Table.Td>
                <Status text={e.reason} tone={e.warning ? "bad" : "none"} /> <Text span fw={500}>{everywhere ? `${e.namespace}/` : ""}{e.object}</Text>
                <Text size="sm" c="dimmed">{e.message}</Text>
              </Table.Td>
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
    </Wide>
  );
}
