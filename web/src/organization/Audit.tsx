import { Button, Group, Select, Stack, Table, Text, TextInput } from "@mantine/core";
import { useMutation, useSuspenseInfiniteQuery } from "@tanstack/react-query";
import { getRouteApi } from "@tanstack/react-router";
import { type FormEvent, useState } from "react";

import type { AuditLine } from "../api/client";
import { Failure } from "../parts/Failure";
import { DownloadIcon } from "../parts/icons";
import { Empty, Page, Panel } from "../parts/Page";
import { save } from "../parts/save";
import { Wide } from "../parts/Wide";
import { dateAndTime } from "../words/time";
import { exportLog } from "./exportLog";
import { auditQuery } from "./queries";

const route = getRouteApi("/inside/audit");

const kinds = [
  { value: "", label: "everything" },
  { value: "cluster", label: "clusters" },
  { value: "pool", label: "node pools" },
  { value: "member", label: "members" },
  { value: "invitation", label: "invitations" },
  { value: "organization", label: "the organization" },
  { value: "token", label: "tokens" },
  { value: "user", label: "log-ins and profiles" },
];
const spans = [
  { value: "", label: "at any time" },
  { value: "1", label: "in the last day" },
  { value: "7", label: "in the last week" },
  { value: "30", label: "in the last 30 days" },
];

const formats = [
  { format: "csv", label: "CSV", mediaType: "text/csv" },
  { format: "jsonl", label: "JSON Lines", mediaType: "application/jsonl" },
] as const;

export function Audit() {
  const search = route.useSearch();
  const { data, hasNextPage, fetchNextPage, isFetchingNextPage } = useSuspenseInfiniteQuery(auditQuery(search));
  const lines = data.pages.flatMap((page) => page.items ?? []);
  const keep = useMutation({
    mutationFn: async ({ format, mediaType }: (typeof formats)[number]) => save(await exportLog(search, format), `audit.${format}`, mediaType),
  });
  const filtered = Object.values(search).some(Boolean);
  return (
    <Page
      title="Audit log"
      about="Who changed what in this organization. Nobody can change what is written here."
      actions={
        <Group gap="xs">
          {formats.map((f) => (
            <Button key={f.format} variant="default" leftSection={<DownloadIcon />} loading={keep.isPending && keep.variables === f} onClick={() => keep.mutate(f)}>{f.label}</Button>
          ))}
        </Group>
      }
    >
      <Stack gap="md">
        <Failure error={keep.error} />
        <Filters />
        <Panel flush>
          {lines.length === 0 ? <Empty title="Nothing fits">{filtered ? "Ask for less: another kind of change, or a longer time." : "Every change of a cluster, a pool, a member or a token is written down here."}</Empty> : (
            <Wide label="Audit log">
              <Table verticalSpacing="sm" horizontalSpacing="md">
                <Table.Thead><Table.Tr><Table.Th visibleFrom="sm">When</Table.Th><Table.Th visibleFrom="sm">Who</Table.Th><Table.Th>What</Table.Th><Table.Th>Of</Table.Th><Table.Th>From</Table.Th></Table.Tr></Table.Thead>
                <Table.Tbody>{lines.map((line) => <Line key={line.id} line={line} />)}</Table.Tbody>
              </Table>
            </Wide>
          )}
        </Panel>
        {hasNextPage ? <Button variant="default" loading={isFetchingNextPage} onClick={() => void fetchNextPage()} style={{ alignSelf: "center" }}>Show older</Button> : null}
      </Stack>
    </Page>
  );
}

function Line({ line }: { line: AuditLine }) {
  const details = Object.entries(line.details ?? {}).map(([name, value]) => `${name}: ${typeof value === "object" ? JSON.stringify(value) : String(value)}`);
  return (
    <Table.Tr>
      <Table.Td visibleFrom="sm">{dateAndTime(line.at)}</Table.Td>
      <Table.Td visibleFrom="sm">
        <Text fw={500}>{line.email || line.actor}</Text>
        {line.actor.startsWith("tok-") ? <Text size="xs" c="dimmed">with a token</Text> : null}
      </Table.Td>
      <Table.Td style={{ whiteSpace: "normal", minWidth: "14rem" }}>
        <Text fw={500}>{line.action}</Text>
        <Text size="xs" hiddenFrom="sm">{line.email || line.actor}, {dateAndTime(line.at)}</Text>
        {details.length > 0 ? <Text size="xs" c="dimmed" style={{ overflowWrap: "anywhere" }}>{details.join(" · ")}</Text> : null}
      </Table.Td>
      <Table.Td><Text size="xs" ff="monospace">{line.resource}</Text></Table.Td>
      <Table.Td>{line.address}</Table.Td>
    </Table.Tr>
  );
}

function Filters() {
  const search = route.useSearch();
  const navigate = route.useNavigate();
  const [actor, setActor] = useState(search.actor ?? "");
  const [resource, setResource] = useState(search.resource ?? "");
  const ask = (change: typeof search) => void navigate({ search: { ...search, actor: actor.trim() || undefined, resource: resource.trim() || undefined, ...change }, replace: true });
  const submit = (e: FormEvent) => { e.preventDefault(); ask({}); };
  return (
    <form onSubmit={submit} className="filters">
      <TextInput label="Who" placeholder="ada@example.com" value={actor} onChange={(e) => setActor(e.target.value)} autoComplete="off" />
      <Select label="Changes of" data={kinds} value={search.action ?? ""} onChange={(v) => ask({ action: v || undefined })} allowDeselect={false} withScrollArea={false} />
      <TextInput label="Id" placeholder="kc-…" value={resource} onChange={(e) => setResource(e.target.value)} autoComplete="off" spellCheck={false} />
      <Select label="When" data={spans} value={search.days ? String(search.days) : ""} onChange={(v) => ask({ days: Number(v) || undefined })} allowDeselect={false} withScrollArea={false} />
      <Button type="submit" variant="default">Show</Button>
    </form>
  );
}
