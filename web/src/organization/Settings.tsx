import { Button, Group, Modal, Stack, Text, TextInput } from "@mantine/core";
import { useMutation, useQueryClient, useSuspenseQuery } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";

import { usePermission } from "../account/permission";
import { useActIn } from "../api/act";
import { api, body } from "../api/client";
import { wrongFields } from "../api/problem";
import { accountQuery } from "../api/queries";
import { Failure } from "../parts/Failure";
import { Page, Panel } from "../parts/Page";
import { labelOf } from "./roles";

export function Settings() {
  const { data: account } = useSuspenseQuery(accountQuery);
  const mayDelete = usePermission("organization:delete");
  return (
    <Page title="Organization" about={`You are ${labelOf(account.role).toLowerCase()} of ${account.organization}.`}>
      <Stack gap="lg">
        <Panel title="Name"><Rename key={account.organization_id} /></Panel>
        <Panel title="Leave this organization"><Leave /></Panel>
        {mayDelete ? <Panel title="Delete this organization"><Delete key={account.organization_id} /></Panel> : null}
      </Stack>
    </Page>
  );
}

function Rename() {
  const { data: account } = useSuspenseQuery(accountQuery);
  const may = usePermission("organization:write");
  const queries = useQueryClient();
  const [name, setName] = useState(account.organization);
  const rename = useMutation({
    mutationFn: () => body(api.PATCH("/v1/organization", { body: { name } })),
    onSuccess: () => queries.invalidateQueries(accountQuery),
  });
  const submit = (e: FormEvent) => { e.preventDefault(); rename.mutate(); };
  return (
    <form onSubmit={submit} noValidate>
      <Stack gap="md" maw={420}>
        <Failure error={rename.error} fields={["name"]} />
        <TextInput label="Name" description="How its members see it." value={name} onChange={(e) => setName(e.target.value)} error={wrongFields(rename.error).name} readOnly={!may} variant={may ? "default" : "filled"} autoComplete="off" />
        <TextInput label="Id" description="How programs name it." value={account.organization_id} readOnly variant="filled" ff="monospace" />
        {may ? <Button type="submit" loading={rename.isPending} disabled={name.trim() === account.organization} w="fit-content">Save</Button> : null}
      </Stack>
    </form>
  );
}

function Leave() {
  const { data: account } = useSuspenseQuery(accountQuery);
  const actIn = useActIn();
  const [asked, setAsked] = useState(false);
  const leave = useMutation({ mutationFn: () => body(api.POST("/v1/organization/leave")), onSuccess: () => actIn() });
  return (
    <Stack gap="md" maw={520} align="flex-start">
      <Text>Your tokens and credentials for its clusters end at once. To come back, somebody has to invite you.</Text>
      <Button variant="default" onClick={() => setAsked(true)}>Leave organization</Button>
      <Modal opened={asked} onClose={() => setAsked(false)} title={`Leave ${account.organization}?`} centered>
        <Stack>
          <Failure error={leave.error} />
          <Text>You see nothing of it any more.</Text>
          <Group justify="flex-end"><Button variant="default" onClick={() => setAsked(false)}>Cancel</Button><Button color="red.9" loading={leave.isPending} onClick={() => leave.mutate()}>Leave</Button></Group>
        </Stack>
      </Modal>
    </Stack>
  );
}

function Delete() {
  const { data: account } = useSuspenseQuery(accountQuery);
  const actIn = useActIn();
  const [typed, setTyped] = useState("");
  const remove = useMutation({ mutationFn: () => body(api.DELETE("/v1/organization")), onSuccess: () => actIn() });
  const submit = (e: FormEvent) => {
    e.preventDefault();
    if (typed === account.organization) remove.mutate();
  };
  return (
    <form onSubmit={submit}>
      <Stack gap="md" maw={520}>
        <Text>It must have no clusters. All members lose it, and invitations and tokens end. It cannot be brought back.</Text>
        <Failure error={remove.error} />
        <TextInput label={<>Type <strong>{account.organization}</strong> to confirm</>} value={typed} onChange={(e) => setTyped(e.target.value)} autoComplete="off" spellCheck={false} />
        <Button type="submit" color="red.9" disabled={typed !== account.organization} loading={remove.isPending} style={{ alignSelf: "flex-start" }}>Delete organization</Button>
      </Stack>
    </form>
  );
}
