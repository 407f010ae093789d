import { Button, Group, Stack, Table, Text } from "@mantine/core";
import { useMutation, useQueryClient, useSuspenseQuery } from "@tanstack/react-query";

import { api, body } from "../api/client";
import { Failure } from "../parts/Failure";
import { Panel } from "../parts/Page";
import { Wide } from "../parts/Wide";
import { date, dateAndTime } from "../words/time";
import { told, useConfirmation } from "./Confirmation";
import { goToProvider } from "./openid";
import { identitiesQuery, providersQuery } from "./queries";

/** Who the person is at OpenID providers. Nothing where there are none. */
export function Identities() {
  const { data: providers } = useSuspenseQuery(providersQuery);
  const { data: linked } = useSuspenseQuery(identitiesQuery);
  const queries = useQueryClient();
  const { confirmed, dialog } = useConfirmation();
  const link = useMutation({ mutationFn: (provider: string) => confirmed(() => goToProvider(provider, { links: true })) });
  const unlink = useMutation({
    mutationFn: (id: string) => confirmed(() => body(api.DELETE("/v1/account/identities/{identity_id}", { params: { path: { identity_id: id } } }))),
    onSuccess: () => queries.invalidateQueries(identitiesQuery),
  });
  if (providers.length === 0 && linked.length === 0) return null;
  return (
    <Panel title="Linked identities" flush>
      <Failure error={told(link.error ?? unlink.error)} />
      {linked.length > 0 ? (
        <Wide label="Linked identities">
          <Table verticalSpacing="sm" horizontalSpacing="md">
            <Table.Thead><Table.Tr><Table.Th>Provider</Table.Th><Table.Th>There you are</Table.Th><Table.Th>Linked</Table.Th><Table.Th>Last used</Table.Th><Table.Th aria-label="Actions" /></Table.Tr></Table.Thead>
            <Table.Tbody>
              {linked.map((l) => (
                <Table.Tr key={l.id}>
                  <Table.Td fw={500}>{l.provider}</Table.Td>
                  <Table.Td>{l.email}</Table.Td>
                  <Table.Td>{date(l.created_at)}</Table.Td>
                  <Table.Td>{l.last_used_at ? dateAndTime(l.last_used_at) : "never"}</Table.Td>
                  <Table.Td ta="right"><Button size="xs" variant="default" onClick={() => unlink.mutate(l.id)} aria-label={`Unlink ${l.email} at ${l.provider}`}>Unlink</Button></Table.Td>
                </Table.Tr>
              ))}
            </Table.Tbody>
          </Table>
        </Wide>
      ) : null}
      <Stack p="md" gap="md">
        {linked.length === 0 ? <Text c="dimmed">Log in with an account that you have elsewhere.</Text> : null}
        <Group>{providers.map((p) => <Button key={p.id} variant="default" loading={link.isPending && link.variables === p.id} onClick={() => link.mutate(p.id)}>Link {p.name}</Button>)}</Group>
      </Stack>
      {dialog}
    </Panel>
  );
}
