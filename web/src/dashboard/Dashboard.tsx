import { Stack, Text } from "@mantine/core";
import { useQuery, useSuspenseQuery } from "@tanstack/react-query";
import { useState } from "react";

import { usePermission } from "../account/permission";
import type { ClusterUse, Happening, Overview } from "../api/client";
import { useLive } from "../api/live";
import { clustersQuery, overviewQuery, tokensQuery } from "../api/queries";
import { Timeline } from "../clusters/Timeline";
import { PlusIcon } from "../parts/icons";
import { ButtonLink, TextLink } from "../parts/Link";
import { Page, Panel } from "../parts/Page";
import { money } from "../words/money";
import { usable } from "../words/phase";
import { type Concern, concerns } from "./concerns";
import { ClusterTable } from "./ClusterTable";
import { Welcome } from "./Welcome";

export function Dashboard() {
  const { data: clusters } = useSuspenseQuery(clustersQuery);
  const { data: overview } = useSuspenseQuery(overviewQuery);
  const { data: tokens } = useQuery({ ...tokensQuery, enabled: usePermission("tokens:write") });
  const mayCreate = usePermission("clusters:write");
  const [now] = useState(Date.now);
  useLive();
  if (clusters.length === 0) return <Welcome mayCreate={mayCreate} />;
  const uses = overview.clusters ?? [];
  const amiss = concerns(clusters, uses, tokens ?? [], now);
  return (
    <Page title="Dashboard" actions={mayCreate ? <ButtonLink to="/clusters/new" leftSection={<PlusIcon />}>Create cluster</ButtonLink> : null}>
      <Stack gap="lg">
        <div className="tiles">
          <dl className="tile"><dt>Clusters</dt><dd>{clusters.length}</dd><dd><Text c="dimmed">{clusters.filter((c) => usable(c.phase)).length} can be used now</Text></dd></dl>
          <NodesTile uses={uses} />
          <CostTile overview={overview} />
        </div>
        <Panel title="Needs attention"><Concerns concerns={amiss} /></Panel>
        <Panel title="Clusters" flush><ClusterTable clusters={clusters} uses={uses} currency={overview.currency} /></Panel>
        <Panel title="What happened"><Timeline events={(overview.events ?? []).slice(0, 10).map(named).toReversed()} /></Panel>
      </Stack>
    </Page>
  );
}

function named({ event, cluster }: Happening) {
  return { ...event, message: `${cluster}: ${event.message}` };
}

function NodesTile({ uses }: { uses: ClusterUse[] }) {
  const all = uses.reduce((sum, u) => sum + u.nodes, 0);
  const ready = uses.reduce((sum, u) => sum + u.nodes_ready, 0);
  return <dl className="tile"><dt>Nodes</dt><dd>{all}</dd><dd><Text c="dimmed">{all === 0 ? "Pods need nodes to run on" : `${ready} ready`}</Text></dd></dl>;
}

function CostTile({ overview: { price, currency } }: { overview: Overview }) {
  return (
    <dl className="tile">
      <dt>Cost now</dt>
      <dd>{price ? `${money(Number(price.hour), currency, 4)} an hour` : "No price is set"}</dd>
      <dd><Text c="dimmed">{price ? `${money(Number(price.month), currency, 2)} a month at most, before tax` : "for something that runs"}</Text></dd>
    </dl>
  );
}

function Concerns({ concerns: all }: { concerns: Concern[] }) {
  if (all.length === 0) return <Text c="dimmed">Nothing: all is well.</Text>;
  return (
    <ul className="concerns">
      {all.map((c) => (
        <li key={c.about + c.text}>
          {c.cluster ? <TextLink to="/clusters/$id" params={{ id: c.cluster }} fw={600}>{c.about}</TextLink> : <TextLink to="/tokens" fw={600}>{c.about}</TextLink>}
          <span>{c.text}</span>
        </li>
      ))}
    </ul>
  );
}
