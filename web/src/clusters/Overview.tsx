import { Stack, Text } from "@mantine/core";
import { useSuspenseQuery } from "@tanstack/react-query";
import { getRouteApi } from "@tanstack/react-router";

import type { Condition } from "../api/client";
import { clusterQuery, eventsQuery, nodesQuery } from "../api/queries";
import { TextLink } from "../parts/Link";
import { Panel } from "../parts/Page";
import { Status } from "../parts/Status";
import { condition } from "../words/phase";
import { nodes as inWords } from "../words/size";
import { dateAndTime } from "../words/time";
import { Connect } from "./Connect";
import { Timeline } from "./Timeline";

const route = getRouteApi("/inside/clusters/$id");

export function Overview() {
  const { id } = route.useParams();
  const { data: cluster } = useSuspenseQuery(clusterQuery(id));
  const { data: nodes } = useSuspenseQuery(nodesQuery(id));
  const { data: events } = useSuspenseQuery(eventsQuery(id));
  const ready = nodes.filter((n) => n.ready).length;
  return (
    <div className="two">
      <Stack gap="lg">
        <Panel title="Health"><Conditions conditions={cluster.conditions ?? []} /></Panel>
        <Panel title="Connect"><Connect cluster={cluster} /></Panel>
      </Stack>
      <Stack gap="lg">
        <Panel title="Facts">
          <dl className="facts">
            <dt>Endpoint</dt><dd>{cluster.endpoint}</dd>
            <dt>Nodes</dt><dd>{nodes.length === 0 ? <TextLink to="/clusters/$id/nodes" params={{ id }}>Add nodes</TextLink> : `${ready} of ${inWords(nodes.length)} ready`}</dd>
            <dt>Pods</dt><dd>{cluster.pod_cidr}</dd>
            <dt>Services</dt><dd>{cluster.service_cidr}</dd>
            <dt>Token issuer</dt><dd>{cluster.issuer}</dd>
            <dt>Id</dt><dd>{cluster.id}</dd>
            <dt>Created</dt><dd>{dateAndTime(cluster.created_at)}</dd>
          </dl>
        </Panel>
        <Panel title="What happened"><Timeline events={events.slice(-8)} /></Panel>
      </Stack>
    </div>
  );
}

function Conditions({ conditions }: { conditions: Condition[] }) {
  if (conditions.length === 0) return <Text c="dimmed">The control plane is being made.</Text>;
  return (
    <Stack gap="sm">
      {conditions.map((c) => (
        <div key={c.type}>
          <Status text={condition(c.type)} tone={c.ok ? "good" : "wait"} />
          {!c.ok && c.message ? <Text size="sm" c="dimmed" pl={15}>{c.message}</Text> : null}
        </div>
      ))}
    </Stack>
  );
}
