import { Button, Group, Stack, Text, TextInput } from "@mantine/core";
import { useMutation, useQueryClient, useSuspenseQuery } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";

import { api, body } from "../api/client";
import { wrongFields } from "../api/problem";
import { accountQuery } from "../api/queries";
import { Failure } from "../parts/Failure";
import { invitationsQuery } from "./queries";
import { roles } from "./roles";
import { RoleSelect } from "./RoleSelect";

export function Invite({ done }: { done: () => void }) {
  const { data: account } = useSuspenseQuery(accountQuery);
  const queries = useQueryClient();
  const [email, setEmail] = useState("");
  const [role, setRole] = useState("developer");
  const invite = useMutation({
    mutationFn: () => body(api.POST("/v1/invitations", { body: { email: email.trim(), role } })),
    onSuccess: async () => { await queries.invalidateQueries(invitationsQuery); done(); },
  });
  const wrong = wrongFields(invite.error);
  const submit = (e: FormEvent) => { e.preventDefault(); invite.mutate(); };
  return (
    <form onSubmit={submit} noValidate>
      <Stack>
        <Failure error={invite.error} fields={["email", "role"]} />
        <TextInput label="E-mail address" type="email" data-autofocus value={email} onChange={(e) => setEmail(e.target.value)} error={wrong.email} autoComplete="off" />
        <RoleSelect label="Role" by={account.role} value={role} onChange={setRole} error={wrong.role} />
        <Text size="sm" c="dimmed">{roles.find((r) => r.value === role)?.about} They get a mail with a link that is good for a week, for this address alone.</Text>
        <Group justify="flex-end"><Button variant="default" onClick={done}>Cancel</Button><Button type="submit" loading={invite.isPending}>Send invitation</Button></Group>
      </Stack>
    </form>
  );
}
