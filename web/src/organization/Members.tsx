import { ActionIcon, Badge, Button, Group, Modal, Stack, Table, Text } from "@mantine/core";
import { useMutation, useQueryClient, useSuspenseQuery } from "@tanstack/react-query";
import { useState } from "react";

import { usePermission } from "../account/permission";
import { api, body, type Member } from "../api/client";
import { accountQuery } from "../api/queries";
import { Failure } from "../parts/Failure";
import { PlusIcon, TrashIcon } from "../parts/icons";
import { Page, Panel } from "../parts/Page";
import { Wide } from "../parts/Wide";
import { date } from "../words/time";
import { Invitations } from "./Invitations";
import { Invite } from "./Invite";
import { membersQuery } from "./queries";
import { labelOf, roles } from "./roles";
import { RoleSelect } from "./RoleSelect";

export function Members() {
  const { data: account } = useSuspenseQuery(accountQuery);
  const may = usePermission("members:write");
  const [inviting, setInviting] = useState(false);
  return (
    <Page
      title="Members"
      about={`Who works in ${account.organization}, and what they may do.`}
      actions={may ? <Button leftSection={<PlusIcon />} onClick={() => setInviting(true)}>Invite people</Button> : null}
    >
      <Stack gap="lg">
        <Panel flush title="People"><People /></Panel>
        <Panel flush title="Invitations"><Invitations /></Panel>
        <Panel title="Roles">
          <dl className="facts">{roles.map((r) => <Group key={r.value} display="contents"><dt>{r.label}</dt><dd>{r.about}</dd></Group>)}</dl>
        </Panel>
      </Stack>
      <Modal opened={inviting} onClose={() => setInviting(false)} title="Invite somebody" centered><Invite done={() => setInviting(false)} /></Modal>
    </Page>
  );
}

function People() {
  const { data: account } = useSuspenseQuery(accountQuery);
  const { data: members } = useSuspenseQuery(membersQuery);
  const may = usePermission("members:write");
  const queries = useQueryClient();
  const [leaving, setLeaving] = useState<Member>();
  const change = useMutation({
    mutationFn: ({ user_id, role }: Pick<Member, "user_id" | "role">) => body(api.PATCH("/v1/members/{user_id}", { params: { path: { user_id } }, body: { role } })),
    // Whatever came of it: another one may have changed it meanwhile.
    onSettled: (_, __, { user_id }) => Promise.all([queries.invalidateQueries(membersQuery), user_id === account.user_id ? queries.invalidateQueries(accountQuery) : null]),
  });
  const touch = (m: Member) => may && (account.role === "owner" || m.role !== "owner");
  return (
    <>
      {change.error ? <div className="inside"><Failure error={change.error} /></div> : null}
      <Wide label="Members">
        <Table verticalSpacing="sm" horizontalSpacing="md">
          <Table.Thead><Table.Tr><Table.Th>Person</Table.Th><Table.Th>Role</Table.Th><Table.Th>Since</Table.Th>{may ? <Table.Th aria-label="Actions" /> : null}</Table.Tr></Table.Thead>
          <Table.Tbody>
            {members.map((m) => (
              <Table.Tr key={m.user_id}>
                <Table.Td>
                  <Group gap="xs" wrap="nowrap"><Text fw={500}>{m.name || m.email}</Text>{m.user_id === account.user_id ? <Badge variant="light" size="sm">you</Badge> : null}</Group>
                  {m.name ? <Text size="sm" c="dimmed">{m.email}</Text> : null}
                </Table.Td>
                <Table.Td>
                  {touch(m) ? (
                    <RoleSelect hideLabel label={`Role of ${m.email}`} by={account.role} value={m.role} disabled={change.isPending} onChange={(role) => change.mutate({ user_id: m.user_id, role })} />
                  ) : labelOf(m.role)}
                </Table.Td>
                <Table.Td>{date(m.since)}</Table.Td>
                {may ? (
                  <Table.Td ta="right">
                    {touch(m) && m.user_id !== account.user_id ? <ActionIcon variant="subtle" color="gray" onClick={() => setLeaving(m)} aria-label={`Remove ${m.email}`}><TrashIcon /></ActionIcon> : null}
                  </Table.Td>
                ) : null}
              </Table.Tr>
            ))}
          </Table.Tbody>
        </Table>
      </Wide>
      <Modal opened={leaving !== undefined} onClose={() => setLeaving(undefined)} title={`Remove ${leaving?.email ?? ""}?`} centered>
        {leaving ? <Remove member={leaving} done={() => setLeaving(undefined)} /> : null}
      </Modal>
    </>
  );
}

function Remove({ member, done }: { member: Member; done: () => void }) {
  const queries = useQueryClient();
  const remove = useMutation({
    mutationFn: () => body(api.DELETE("/v1/members/{user_id}", { params: { path: { user_id: member.user_id } } })),
    onSuccess: async () => { await queries.invalidateQueries(membersQuery); done(); },
  });
  return (
    <Stack>
      <Failure error={remove.error} />
      <Text>Their tokens, terminals and credentials for this organization&apos;s clusters end at once. What they made stays.</Text>
      <Group justify="flex-end"><Button variant="default" onClick={done}>Cancel</Button><Button color="red.9" loading={remove.isPending} onClick={() => remove.mutate()}>Remove member</Button></Group>
    </Stack>
  );
}
