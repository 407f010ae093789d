import { Button, PasswordInput, Stack, TextInput } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { getRouteApi, useRouter } from "@tanstack/react-router";
import { type FormEvent, useState } from "react";

import { wrongFields } from "../api/problem";
import { Failure } from "../parts/Failure";
import { TextLink } from "../parts/Link";
import { Door } from "./Door";
import { signUp } from "./session";

const route = getRouteApi("/signup");

export function SignUp() {
  const { next } = route.useSearch();
  const router = useRouter();
  const queries = useQueryClient();
  const [email, setEmail] = useState("");
  const [password, setPassword] = useState("");
  const [organization, setOrganization] = useState("");
  const join = useMutation({
    mutationFn: signUp,
    onSuccess: async () => {
      queries.clear();
      await router.navigate({ href: next ?? "/" });
    },
  });
  const wrong = wrongFields(join.error);
  const submit = (e: FormEvent) => {
    e.preventDefault();
    join.mutate({ email, password, organization });
  };
  return (
    <Door title="Create your account" below={<>You have one? <TextLink to="/login" search={{ next }}>Log in</TextLink></>}>
      <form onSubmit={submit} noValidate>
        <Stack gap="md">
          <Failure error={join.error} fields={["email", "password", "organization"]} />
          <TextInput label="E-mail address" type="email" autoComplete="username" autoFocus value={email} onChange={(e) => setEmail(e.target.value)} error={wrong.email} />
          <PasswordInput label="Password" description="At least 12 characters. A sentence is easy to remember." autoComplete="new-password" value={password} onChange={(e) => setPassword(e.target.value)} error={wrong.password} />
          <TextInput label="Organization" description="Your team or company. You can leave it out." autoComplete="organization" value={organization} onChange={(e) => setOrganization(e.target.value)} error={wrong.organization} />
          <Button type="submit" loading={join.isPending} fullWidth>Create account</Button>
        </Stack>
      </form>
    </Door>
  );
}
