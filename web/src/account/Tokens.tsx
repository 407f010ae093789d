import { ActionIcon, Alert, Button, Group, Modal, Select, Stack, Table, Text, TextInput } from "@mantine/core";
import { useMutation, useQueryClient, useSuspenseQuery } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";

import { api, body } from "../api/client";
import { wrongFields } from "../api/problem";
import { tokensQuery } from "../api/queries";
import { Code } from "../parts/Code";
import { Failure } from "../parts/Failure";
import { PlusIcon, TrashIcon } from "../parts/icons";
import { Empty, Page, Panel } from "../parts/Page";
import { Wide } from "../parts/Wide";
import { date } from "../words/time";
import { usePermission } from "./permission";

export function Tokens() {
  const { data: tokens } = useSuspenseQuery(tokensQuery);
  const may = usePermission("tokens:write");
  const queries = useQueryClient();
  const [making, setMaking] = useState(false);
  const revoke = useMutation({
    mutationFn: (id: string) => body(api.DELETE("/v1/tokens/{token_id}", { params: { path: { token_id: id } } })),
    onSuccess: () => queries.invalidateQueries(tokensQuery),
  });
  const add = may ? <Button leftSection={<PlusIcon />} onClick={() => setMaking(true)}>Create token</Button> : null;
  return (
    <Page title="API tokens" about="For programs and scripts. A token acts for you in this organization." actions={tokens.length > 0 ? add : null}>
      <Stack gap="md">
        <Failure error={revoke.error} />
        <Panel flush>
          {tokens.length === 0 ? <Empty title="No tokens yet" action={add}>A token lets a script do what you may do, until it expires or you revoke it. People and the command line log in instead.</Empty> : (
            <Wide label="API tokens">
              <Table verticalSpacing="sm" horizontalSpacing="md">
                <Table.Thead><Table.Tr><Table.Th>Name</Table.Th><Table.Th>May</Table.Th><Table.Th>Last used</Table.Th><Table.Th>Expires</Table.Th><Table.Th aria-label="Actions" /></Table.Tr></Table.Thead>
                <Table.Tbody>
                  {tokens.map((t) => (
                    <Table.Tr key={t.id}>
                      <Table.Td fw={500}>{t.name}</Table.Td>
                      <Table.Td>{t.scopes ? t.scopes.join(", ") : "all that its owner may"}</Table.Td>
                      <Table.Td>{t.last_used_at ? date(t.last_used_at) : "never"}</Table.Td>
                      <Table.Td>{date(t.expires_at)}</Table.Td>
                      <Table.Td ta="right"><ActionIcon variant="subtle" color="gray" onClick={() => revoke.mutate(t.id)} aria-label={`Revoke the token ${t.name}`}><TrashIcon /></ActionIcon></Table.Td>
                    </Table.Tr>
                  ))}
                </Table.Tbody>
              </Table>
            </Wide>
          )}
        </Panel>
      </Stack>
      <Modal opened={making} onClose={() => setMaking(false)} title="Create an API token" centered><NewToken done={() => setMaking(false)} /></Modal>
    </Page>
  );
}

const lives = [
  { value: String(7 * 86_400), label: "a week" },
  { value: String(30 * 86_400), label: "30 days" },
  { value: String(365 * 86_400), label: "a year" },
];

function NewToken({ done }: { done: () => void }) {
  const queries = useQueryClient();
  const [name, setName] = useState("");
  const [life, setLife] = useState(lives[1]!.value);
  const [reach, setReach] = useState<"all" | "read">("all");
  const create = useMutation({
    mutationFn: () => body(api.POST("/v1/tokens", { body: { name, expires_in_seconds: Number(life), ...(reach === "read" ? { scopes: ["clusters:read"] } : {}) } })),
    onSuccess: () => queries.invalidateQueries(tokensQuery),
  });
  if (create.data) {
    return (
      <Stack>
        <Alert color="sea" variant="light">Copy it now: it is shown once and not kept.</Alert>
        <Code text={create.data.secret} label="token" />
        <Group justify="flex-end"><Button onClick={done}>Done</Button></Group>
      </Stack>
    );
  }
  const wrong = wrongFields(create.error);
  const submit = (e: FormEvent) => { e.preventDefault(); create.mutate(); };
  return (
    <form onSubmit={submit} noValidate>
      <Stack>
        <Failure error={create.error} fields={["name", "expires_in_seconds", "scopes"]} />
        <TextInput label="Name" placeholder="ci" data-autofocus value={name} onChange={(e) => setName(e.target.value)} error={wrong.name} autoComplete="off" />
        <Select label="It may" data={[{ value: "all", label: "do all that you may" }, { value: "read", label: "look at clusters, and nothing else" }]} value={reach} onChange={(v) => v && setReach(v)} allowDeselect={false} error={wrong.scopes} />
        <Select label="It lasts for" data={lives} value={life} onChange={(v) => v && setLife(v)} allowDeselect={false} error={wrong.expires_in_seconds} />
        <Text size="sm" c="dimmed">Whoever has it can use it: keep it as you keep a password.</Text>
        <Group justify="flex-end"><Button variant="default" onClick={done}>Cancel</Button><Button type="submit" loading={create.isPending}>Create token</Button></Group>
      </Stack>
    </form>
  );
}
