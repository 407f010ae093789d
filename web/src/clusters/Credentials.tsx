import { Button, Stack, Table, Text } from "@mantine/core";
import { useMutation, useQueryClient, useSuspenseQuery } from "@tanstack/react-query";

import { usePermission } from "../account/permission";
import { api, body, type Credential } from "../api/client";
import { accountQuery, credentialsQuery } from "../api/queries";
import { Failure } from "../parts/Failure";
import { Empty, Panel } from "../parts/Page";
import { Status } from "../parts/Status";
import { Wide } from "../parts/Wide";
import { dateAndTime } from "../words/time";

const kinds: Record<Credential["kind"], string> = { kubeconfig: "kubeconfig file", exec: "command line", terminal: "terminal" };

/** The credentials for a cluster that have not ended. */
export function Credentials({ id }: { id: string }) {
  const { data: credentials } = useSuspenseQuery(credentialsQuery(id));
  const { data: account } = useSuspenseQuery(accountQuery);
  const mayOthers = usePermission("members:write");
  const queries = useQueryClient();
  const revoke = useMutation({
    mutationFn: (credential: string) =>
      body(api.DELETE("/v1/clusters/{cluster_id}/credentials/{credential_id}", { params: { path: { cluster_id: id, credential_id: credential } } })),
    onSettled: () => queries.invalidateQueries(credentialsQuery(id)),
  });
  return (
    <Panel title="Credentials" flush>
      <Failure error={revoke.error} />
      {credentials.length === 0 ? (
        <Empty title="Nobody has credentials">Each kubeconfig that somebody downloads, and each that the command line or a terminal gets for kubectl, is listed here until it ends, and can be revoked at once.</Empty>
      ) : (
        <Wide label="Credentials">
          <Table verticalSpacing="sm" horizontalSpacing="md">
            <Table.Thead><Table.Tr><Table.Th>Who</Table.Th><Table.Th>For</Table.Th><Table.Th visibleFrom="sm">Issued</Table.Th><Table.Th visibleFrom="sm">Last used</Table.Th><Table.Th>Ends</Table.Th><Table.Th aria-label="Actions" /></Table.Tr></Table.Thead>
            <Table.Tbody>
              {credentials.toReversed().map((c) => (
                <Table.Tr key={c.id}>
                  <Table.Td>
                    <Stack gap={0}><Text fw={500} size="sm">{c.user}</Text><Text size="xs" c="dimmed">{(c.groups ?? []).join(", ")}</Text></Stack>
                  </Table.Td>
                  <Table.Td>{kinds[c.kind]}</Table.Td>
                  <Table.Td visibleFrom="sm">{dateAndTime(c.issued_at)}</Table.Td>
                  <Table.Td visibleFrom="sm">{c.last_used_at ? dateAndTime(c.last_used_at) : "never"}</Table.Td>
                  <Table.Td>{c.revoked_at ? <Status tone="none" text="Revoked" /> : dateAndTime(c.expires_at)}</Table.Td>
                  <Table.Td ta="right">
                    {!c.revoked_at && (mayOthers || c.user_id === account.user_id) ? (
                      <Button size="xs" variant="default" loading={revoke.isPending && revoke.variables === c.id} onClick={() => revoke.mutate(c.id)} aria-label={`Revoke the ${kinds[c.kind]} of ${c.user} from ${dateAndTime(c.issued_at)}`}>Revoke</Button>
                    ) : null}
                  </Table.Td>
                </Table.Tr>
              ))}
            </Table.Tbody>
          </Table>
        </Wide>
      )}
    </Panel>
  );
}
