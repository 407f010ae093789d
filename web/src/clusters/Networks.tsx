import { ActionIcon, Alert, Button, Group, Stack, Text, TextInput } from "@mantine/core";
import { useMutation, useQueryClient, useSuspenseQuery } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";

import { usePermission } from "../account/permission";
import { api, body } from "../api/client";
import { wrongFields } from "../api/problem";
import { networksQuery } from "../api/queries";
import { Failure } from "../parts/Failure";
import { PlusIcon, TrashIcon } from "../parts/icons";
import { Panel } from "../parts/Page";
import { holds, locksOut } from "./networks";

/** From where people reach the Kubernetes API of a cluster. */
export function Networks({ id }: { id: string }) {
  const { data } = useSuspenseQuery(networksQuery(id));
  const may = usePermission("clusters:write");
  return (
    <Panel title="Authorized networks">
      <Stack gap="md" maw={560}>
        <Text c="dimmed" size="sm">Limit from where kubectl and other clients reach the Kubernetes API. Nodes, pods, and terminals in this console are always let in.</Text>
        {may ? <Form key={data.networks.join()} id={id} saved={data.networks} address={data.your_address} /> : <List networks={data.networks} />}
      </Stack>
    </Panel>
  );
}

function List({ networks }: { networks: string[] }) {
  if (networks.length === 0) return <Text>Everybody who has credentials gets in, from everywhere.</Text>;
  return <ul style={{ margin: 0, paddingLeft: "1.25rem" }}>{networks.map((n) => <li key={n}>{n}</li>)}</ul>;
}

interface Row {
  key: number;
  text: string;
}

let rows = 0;
const row = (text: string): Row => ({ key: rows++, text });

function Form({ id, saved, address }: { id: string; saved: string[]; address: string }) {
  const queries = useQueryClient();
  const [wanted, setWanted] = useState(() => saved.map(row));
  const networks = wanted.map((r) => r.text);
  const save = useMutation({
    mutationFn: () => body(api.PUT("/v1/clusters/{cluster_id}/authorized-networks", { params: { path: { cluster_id: id } }, body: { networks } })),
    onSuccess: (now) => queries.setQueryData(networksQuery(id).queryKey, now),
  });
  const change = (next: Row[]) => { save.reset(); setWanted(next); };
  const submit = (e: FormEvent) => { e.preventDefault(); save.mutate(); };
  const wrong = wrongFields(save.error);
  const changed = networks.join() !== saved.join();
  const out = locksOut(networks, address);
  return (
    <form onSubmit={submit} noValidate>
      <Stack gap="sm">
        {networks.length === 0 ? <Text>{changed ? "Everybody who has credentials will get in, from everywhere." : "Everybody who has credentials gets in, from everywhere."}</Text> : null}
        {wanted.map((r, i) => (
          <Group key={r.key} gap="xs" wrap="nowrap" align="flex-start">
            <TextInput
              aria-label={`Network ${i + 1}`} placeholder="203.0.113.0/24" value={r.text} error={wrong[`networks[${i}]`]} style={{ flex: 1 }} spellCheck={false} autoComplete="off"
              onChange={(e) => change(wanted.with(i, { ...r, text: e.target.value }))}
            />
            <ActionIcon variant="subtle" color="gray" size="lg" aria-label={`Remove the network ${r.text || i + 1}`} onClick={() => change(wanted.toSpliced(i, 1))}><TrashIcon /></ActionIcon>
          </Group>
        ))}
        <Group gap="xs">
          <Button variant="default" size="xs" leftSection={<PlusIcon />} onClick={() => change([...wanted, row("")])}>Add network</Button>
          {networks.some((n) => holds(n, address)) ? null : (
            <Button variant="default" size="xs" onClick={() => change([...wanted.filter((r) => r.text.trim() !== ""), row(address)])}>Add my address, {address}</Button>
          )}
        </Group>
        <Failure error={save.error} fields={networks.map((_, i) => `networks[${i}]`)} />
        {changed && out ? <Alert color="yellow" variant="light" role="alert">Your address, {address}, is in none of these networks: kubectl on this machine will be refused, and what it has open is cut.</Alert> : null}
        {changed ? (
          <Group>
            <Button type="submit" loading={save.isPending} color={out ? "red.9" : undefined}>{out ? "Save, and lock me out" : "Save networks"}</Button>
            <Button variant="default" onClick={() => change(saved.map(row))}>Cancel</Button>
          </Group>
        ) : null}
      </Stack>
    </form>
  );
}
