import { Button, PasswordInput, Stack, TextInput } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useRouter } from "@tanstack/react-router";
import { type FormEvent, useState } from "react";

import { isProblem, wrongFields } from "../api/problem";
import { Failure } from "../parts/Failure";
import { TextLink } from "../parts/Link";
import { BadLink } from "./BadLink";
import { Door } from "./Door";
import { forgetSecret, takeSecret } from "./secret";
import { verify } from "./session";

export function Verify() {
  const router = useRouter();
  const queries = useQueryClient();
  const [secret] = useState(takeSecret);
  const [password, setPassword] = useState("");
  const [name, setName] = useState("");
  const [organization, setOrganization] = useState("");
  const join = useMutation({
    mutationFn: verify,
    onSuccess: async () => {
      forgetSecret();
      queries.clear();
      await router.navigate({ to: "/" });
    },
  });
  const submit = (e: FormEvent) => {
    e.preventDefault();
    join.mutate({ secret, password, name, organization });
  };
  if (!secret || (isProblem(join.error) && join.error.code === "link_not_good")) {
    return <BadLink to="/signup" action="Sign up again" />;
  }
  const wrong = wrongFields(join.error);
  return (
    <Door title="Finish signing up" below={<>You have an account? <TextLink to="/login">Log in</TextLink></>}>
      <form onSubmit={submit} noValidate>
        <Stack gap="md">
          <Failure error={join.error} fields={["password", "name", "organization"]} />
          <PasswordInput label="Password" description="At least 12 characters. A sentence is easy to remember." autoComplete="new-password" autoFocus value={password} onChange={(e) => setPassword(e.target.value)} error={wrong.password} />
          <TextInput label="Your name" description="How others in your organization see you. You can leave it out." autoComplete="name" value={name} onChange={(e) => setName(e.target.value)} error={wrong.name} />
          <TextInput label="Organization" description="Your team or company. You can leave it out." autoComplete="organization" value={organization} onChange={(e) => setOrganization(e.target.value)} error={wrong.organization} />
          <Button type="submit" loading={join.isPending} fullWidth>Create account</Button>
        </Stack>
      </form>
    </Door>
  );
}
