import { Button, PasswordInput, Stack, TextInput } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { getRouteApi, useRouter } from "@tanstack/react-router";
import { type FormEvent, useState } from "react";

import { wrongFields } from "../api/problem";
import { Failure } from "../parts/Failure";
import { TextLink } from "../parts/Link";
import { Door } from "./Door";
import { logIn } from "./session";

const route = getRouteApi("/login");

export function LogIn() {
  const { next } = route.useSearch();
  const router = useRouter();
  const queries = useQueryClient();
  const [email, setEmail] = useState("");
  const [password, setPassword] = useState("");
  const enter = useMutation({
    mutationFn: logIn,
    onSuccess: async () => {
      queries.clear();
      await router.navigate({ href: next ?? "/" });
    },
  });
  const wrong = wrongFields(enter.error);
  const submit = (e: FormEvent) => {
    e.preventDefault();
    enter.mutate({ email, password });
  };
  return (
    <Door title="Log in" below={<>New here? <TextLink to="/signup" search={{ next }}>Create an account</TextLink></>}>
      <form onSubmit={submit} noValidate>
        <Stack gap="md">
          <Failure error={enter.error} fields={["email", "password"]} />
          <TextInput label="E-mail address" type="email" autoComplete="username" autoFocus value={email} onChange={(e) => setEmail(e.target.value)} error={wrong.email} />
          <PasswordInput label="Password" autoComplete="current-password" value={password} onChange={(e) => setPassword(e.target.value)} error={wrong.password} />
          <Button type="submit" loading={enter.isPending} fullWidth>Log in</Button>
          <TextLink to="/forgot" ta="center">Forgot your password?</TextLink>
        </Stack>
      </form>
    </Door>
  );
}
