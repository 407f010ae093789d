import { Button, Group, Modal, Stack, Table, Text, TextInput } from "@mantine/core";
import { useMutation, useQueryClient, useSuspenseQuery } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";

import { api, body, type Passkey } from "../api/client";
import { wrongFields } from "../api/problem";
import { Failure } from "../parts/Failure";
import { PlusIcon } from "../parts/icons";
import { Empty } from "../parts/Page";
import { Wide } from "../parts/Wide";
import { date, dateAndTime } from "../words/time";
import { told, useConfirmation } from "./Confirmation";
import { deviceInWords } from "./device";
import { addPasskey, passkeysWork } from "./passkey";
import { passkeysQuery } from "./queries";

export function Passkeys() {
  const { data: passkeys } = useSuspenseQuery(passkeysQuery);
  const queries = useQueryClient();
  const [naming, setNaming] = useState<Passkey | "new">();
  const { confirmed, dialog } = useConfirmation();
  const remove = useMutation({
    mutationFn: (id: string) => confirmed(() => body(api.DELETE("/v1/account/passkeys/{passkey_id}", { params: { path: { passkey_id: id } } }))),
    onSuccess: () => queries.invalidateQueries(passkeysQuery),
  });
  const add = passkeysWork ? <Button leftSection={<PlusIcon />} onClick={() => setNaming("new")}>Add a passkey</Button> : <Text c="dimmed">This browser knows no passkeys.</Text>;
  return (
    <>
      <Failure error={told(remove.error)} />
      {passkeys.length === 0 ? (
        <Empty title="No passkeys yet" action={add}>Log in with your fingerprint, your face or a security key. A passkey cannot be guessed, and not be given to a false page.</Empty>
      ) : (
        <>
          <Wide label="Passkeys">
            <Table verticalSpacing="sm" horizontalSpacing="md">
              <Table.Thead><Table.Tr><Table.Th>Name</Table.Th><Table.Th>Added</Table.Th><Table.Th>Last used</Table.Th><Table.Th aria-label="Actions" /></Table.Tr></Table.Thead>
              <Table.Tbody>
                {passkeys.map((p) => (
                  <Table.Tr key={p.id}>
                    <Table.Td fw={500}>{p.name}</Table.Td>
                    <Table.Td>{date(p.created_at)}</Table.Td>
                    <Table.Td>{p.last_used_at ? dateAndTime(p.last_used_at) : "never"}</Table.Td>
                    <Table.Td>
                      <Group gap="xs" justify="flex-end" wrap="nowrap">
                        <Button size="xs" variant="default" onClick={() => setNaming(p)} aria-label={`Rename the passkey ${p.name}`}>Rename</Button>
                        <Button size="xs" variant="default" onClick={() => remove.mutate(p.id)} aria-label={`Remove the passkey ${p.name}`}>Remove</Button>
                      </Group>
                    </Table.Td>
                  </Table.Tr>
                ))}
              </Table.Tbody>
            </Table>
          </Wide>
          <Group p="md">{add}</Group>
        </>
      )}
      <Modal opened={!!naming} onClose={() => setNaming(undefined)} title={naming === "new" ? "Add a passkey" : "Rename the passkey"} centered>
        {naming ? <Naming passkey={naming === "new" ? undefined : naming} confirmed={confirmed} done={() => setNaming(undefined)} /> : null}
      </Modal>
      {dialog}
    </>
  );
}

/** Asks for the name of a passkey, and makes it where there is none yet. */
function Naming({ passkey, confirmed, done }: { passkey?: Passkey; confirmed: ReturnType<typeof useConfirmation>["confirmed"]; done: () => void }) {
  const queries = useQueryClient();
  const [name, setName] = useState(passkey?.name ?? deviceInWords(navigator.userAgent));
  const save = useMutation({
    mutationFn: () => (passkey
      ? body(api.PATCH("/v1/account/passkeys/{passkey_id}", { params: { path: { passkey_id: passkey.id } }, body: { name } }))
      : confirmed(() => addPasskey(name))),
    onSuccess: async () => {
      await queries.invalidateQueries(passkeysQuery);
      done();
    },
  });
  const submit = (e: FormEvent) => { e.preventDefault(); save.mutate(); };
  return (
    <form onSubmit={submit} noValidate>
      <Stack>
        <Failure error={told(save.error)} fields={["name"]} />
        <TextInput label="Name" description={passkey ? undefined : "Of the device, so that you know it again."} data-autofocus value={name} onChange={(e) => setName(e.target.value)} error={wrongFields(save.error).name} autoComplete="off" />
        <Group justify="flex-end"><Button variant="default" onClick={done}>Cancel</Button><Button type="submit" loading={save.isPending}>{passkey ? "Save" : "Continue"}</Button></Group>
      </Stack>
    </form>
  );
}
