import { Button, Loader, PasswordInput, Stack, Text, TextInput } from "@mantine/core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";

import { useActIn } from "../api/act";
import { api, body } from "../api/client";
import { isProblem, wrongFields } from "../api/problem";
import { accountQuery } from "../api/queries";
import { Failure } from "../parts/Failure";
import { ButtonLink } from "../parts/Link";
import { BadLink } from "./BadLink";
import { Door } from "./Door";
import { forgetSecret, takeSecret } from "./secret";

/** For whoever follows the link in an invitation's mail. */
export function Invitation() {
  const [secret] = useState(takeSecret);
  const shown = useQuery({ queryKey: ["invitation", secret], queryFn: () => body(api.POST("/v1/invitations/show", { body: { secret } })), retry: false, enabled: secret !== "" });
  const account = useQuery({ ...accountQuery, retry: false });
  if (!secret || (isProblem(shown.error) && shown.error.code === "link_not_good")) return <BadLink to="/" action="To your console" />;
  if (shown.isPending || account.isPending) return <Door title="Invitation"><Loader size="sm" aria-label="Loading" /></Door>;
  if (shown.error) return <Door title="Invitation"><Failure error={shown.error} /></Door>;
  const { organization, role, inviter, has_account } = shown.data;
  const about = <Text>{inviter} invites you to the organization <strong>{organization}</strong>, with the role {role}.</Text>;
  if (account.data) return <Door title={`Join ${organization}`}><Stack gap="md">{about}<Accept secret={secret} email={account.data.email} /></Stack></Door>;
  if (account.error && !(isProblem(account.error) && account.error.status === 401)) return <Door title="Invitation"><Failure error={account.error} /></Door>;
  return (
    <Door title={`Join ${organization}`}>
      <Stack gap="md">
        {about}
        {has_account ? (
          <>
            <Text>It was sent to an address that has an account. Log in with it, and you come back here.</Text>
            <ButtonLink to="/login" search={{ next: "/invitation" }} fullWidth>Log in</ButtonLink>
          </>
        ) : <Begin secret={secret} />}
      </Stack>
    </Door>
  );
}

function Accept({ secret, email }: { secret: string; email: string }) {
  const queries = useQueryClient();
  const actIn = useActIn();
  const accept = useMutation({
    mutationFn: () => body(api.POST("/v1/invitations/accept", { body: { secret } })),
    onSuccess: async (joined) => { forgetSecret(); await queries.invalidateQueries(accountQuery); await actIn(joined.id); },
  });
  return (
    <>
      <Failure error={accept.error} />
      <Text c="dimmed">You are logged in as {email}.</Text>
      <Button loading={accept.isPending} onClick={() => accept.mutate()} fullWidth>Accept invitation</Button>
    </>
  );
}

function Begin({ secret }: { secret: string }) {
  const queries = useQueryClient();
  const actIn = useActIn();
  const [name, setName] = useState("");
  const [password, setPassword] = useState("");
  const begin = useMutation({
    mutationFn: () => body(api.POST("/v1/invitations/signup", { body: { secret, name, password, cookie: true } })),
    onSuccess: async (made) => { forgetSecret(); queries.clear(); await actIn(made.organization_id); },
  });
  const wrong = wrongFields(begin.error);
  const submit = (e: FormEvent) => { e.preventDefault(); begin.mutate(); };
  return (
    <form onSubmit={submit} noValidate>
      <Stack gap="md">
        <Failure error={begin.error} fields={["name", "password"]} />
        <Text c="dimmed">Your account is for the address to which the invitation was sent.</Text>
        <TextInput label="Your name" description="How others in your organization see you. You can leave it out." value={name} onChange={(e) => setName(e.target.value)} error={wrong.name} autoComplete="name" />
        <PasswordInput label="Password" description="At least 12 characters. A sentence is easy to remember." value={password} onChange={(e) => setPassword(e.target.value)} error={wrong.password} autoComplete="new-password" />
        <Button type="submit" loading={begin.isPending} fullWidth>Create account and join</Button>
      </Stack>
    </form>
  );
}
