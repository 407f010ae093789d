import { Button, Group, Table } from "@mantine/core";
import { useMutation, useQueryClient, useSuspenseQuery } from "@tanstack/react-query";

import { usePermission } from "../account/permission";
import { api, body } from "../api/client";
import { accountQuery } from "../api/queries";
import { Failure } from "../parts/Failure";
import { Empty } from "../parts/Page";
import { Wide } from "../parts/Wide";
import { date, isPast } from "../words/time";
import { invitationsQuery } from "./queries";
import { labelOf } from "./roles";

/** Invitations that nobody has accepted. */
export function Invitations() {
  const { data: account } = useSuspenseQuery(accountQuery);
  const { data: invitations } = useSuspenseQuery(invitationsQuery);
  const may = usePermission("members:write");
  const queries = useQueryClient();
  const again = () => queries.invalidateQueries(invitationsQuery);
  const resend = useMutation({
    mutationFn: (id: string) => body(api.POST("/v1/invitations/{invitation_id}/resend", { params: { path: { invitation_id: id } } })),
    onSettled: again,
  });
  const revoke = useMutation({
    mutationFn: (id: string) => body(api.DELETE("/v1/invitations/{invitation_id}", { params: { path: { invitation_id: id } } })),
    onSettled: again,
  });
  const error = resend.error ?? revoke.error;
  if (invitations.length === 0) {
    return (
      <>
        {error ? <div className="inside"><Failure error={error} /></div> : null}
        <Empty title="Nobody is invited">{may ? "Invite people by their e-mail address. They accept with a link in a mail, and have the role that you choose." : "Owners and admins invite people to the organization."}</Empty>
      </>
    );
  }
  return (
    <>
      {error ? <div className="inside"><Failure error={error} /></div> : null}
      <Wide label="Invitations">
        <Table verticalSpacing="sm" horizontalSpacing="md">
          <Table.Thead><Table.Tr><Table.Th>To</Table.Th><Table.Th>Role</Table.Th><Table.Th>Invited by</Table.Th><Table.Th>Good until</Table.Th>{may ? <Table.Th aria-label="Actions" /> : null}</Table.Tr></Table.Thead>
          <Table.Tbody>
            {invitations.map((x) => (
              <Table.Tr key={x.id}>
                <Table.Td fw={500}>{x.email}</Table.Td>
                <Table.Td>{labelOf(x.role)}</Table.Td>
                <Table.Td>{x.inviter}</Table.Td>
                <Table.Td>{isPast(x.expires_at) ? "its time is over" : date(x.expires_at)}</Table.Td>
                {may ? (
                  <Table.Td ta="right">
                    <Group gap="xs" justify="flex-end" wrap="nowrap">
                      {x.role !== "owner" || account.role === "owner" ? (
                        <Button size="xs" variant="default" loading={resend.isPending && resend.variables === x.id} onClick={() => resend.mutate(x.id)} aria-label={`Send the invitation to ${x.email} again`}>Send again</Button>
                      ) : null}
                      <Button size="xs" variant="default" onClick={() => revoke.mutate(x.id)} aria-label={`Revoke the invitation to ${x.email}`}>Revoke</Button>
                    </Group>
                  </Table.Td>
                ) : null}
              </Table.Tr>
            ))}
          </Table.Tbody>
        </Table>
      </Wide>
    </>
  );
}
