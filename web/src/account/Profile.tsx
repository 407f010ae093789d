import { Badge, Button, Group, Stack, Table, TextInput } from "@mantine/core";
import { useMutation, useQueryClient, useSuspenseQuery } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";

import { api, body } from "../api/client";
import { wrongFields } from "../api/problem";
import { accountQuery, sessionsQuery } from "../api/queries";
import { Failure } from "../parts/Failure";
import { Page, Panel } from "../parts/Page";
import { Wide } from "../parts/Wide";
import { date, dateAndTime } from "../words/time";
import { Authenticator } from "./Authenticator";
import { ChangePassword } from "./ChangePassword";
import { deviceInWords } from "./device";
import { Identities } from "./Identities";
import { Passkeys } from "./Passkeys";

export function Profile() {
  return (
    <Page title="Profile">
      <Stack gap="lg">
        <Panel title="You"><Name /></Panel>
        <Panel title="Password"><ChangePassword /></Panel>
        <Panel title="Passkeys" flush><Passkeys /></Panel>
        <Panel title="Second factor"><Authenticator /></Panel>
        <Identities />
        <Panel title="Where you are logged in" flush><Sessions /></Panel>
      </Stack>
    </Page>
  );
}

function Name() {
  const { data: account } = useSuspenseQuery(accountQuery);
  const queries = useQueryClient();
  const [name, setName] = useState(account.name);
  const rename = useMutation({
    mutationFn: () => body(api.PATCH("/v1/account", { body: { name } })),
    onSuccess: (changed) => queries.setQueryData(accountQuery.queryKey, changed),
  });
  const submit = (e: FormEvent) => { e.preventDefault(); rename.mutate(); };
  return (
    <form onSubmit={submit} noValidate>
      <Stack gap="md" maw={420}>
        <Failure error={rename.error} fields={["name"]} />
        <TextInput label="E-mail address" value={account.email} readOnly variant="filled" />
        <TextInput label="Name" description="How others in your organizations see you." value={name} onChange={(e) => setName(e.target.value)} error={wrongFields(rename.error).name} autoComplete="name" />
        <Button type="submit" loading={rename.isPending} disabled={name === account.name} w="fit-content">Save</Button>
      </Stack>
    </form>
  );
}

function Sessions() {
  const { data: sessions } = useSuspenseQuery(sessionsQuery);
  const queries = useQueryClient();
  const end = useMutation({
    mutationFn: (id: string) => body(api.DELETE("/v1/sessions/{session_id}", { params: { path: { session_id: id } } })),
    onSuccess: () => queries.invalidateQueries(sessionsQuery),
  });
  return (
    <>
      <Failure error={end.error} />
      <Wide label="Sessions">
        <Table verticalSpacing="sm" horizontalSpacing="md">
          <Table.Thead><Table.Tr><Table.Th>Device</Table.Th><Table.Th>Address</Table.Th><Table.Th>Last used</Table.Th><Table.Th>Ends</Table.Th><Table.Th aria-label="Actions" /></Table.Tr></Table.Thead>
          <Table.Tbody>
            {sessions.map((s) => (
              <Table.Tr key={s.id}>
                <Table.Td fw={500}><Group gap="xs" wrap="nowrap">{deviceInWords(s.device)}{s.current ? <Badge variant="light" size="sm">this one</Badge> : null}</Group></Table.Td>
                <Table.Td>{s.address}</Table.Td>
                <Table.Td>{dateAndTime(s.last_used_at)}</Table.Td>
                <Table.Td>{date(s.expires_at)}</Table.Td>
                <Table.Td ta="right">{s.current ? null : <Button size="xs" variant="default" onClick={() => end.mutate(s.id)} aria-label={`Log out ${deviceInWords(s.device)}`}>Log out</Button>}</Table.Td>
              </Table.Tr>
            ))}
          </Table.Tbody>
        </Table>
      </Wide>
    </>
  );
}
