import { Button, Divider, PasswordInput, Stack, Text, TextInput } from "@mantine/core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { getRouteApi, useRouter } from "@tanstack/react-router";
import { type FormEvent, useState } from "react";

import { isProblem, wrongFields } from "../api/problem";
import { Failure } from "../parts/Failure";
import { KeyIcon } from "../parts/icons";
import { TextLink } from "../parts/Link";
import { CodeInput } from "./CodeInput";
import { Door } from "./Door";
import { goToProvider } from "./openid";
import { logInWithPasskey, passkeysWork } from "./passkey";
import { providersQuery } from "./queries";
import { logIn } from "./session";

const route = getRouteApi("/login");

export function LogIn() {
  const { next } = route.useSearch();
  const router = useRouter();
  const queries = useQueryClient();
  const [email, setEmail] = useState("");
  const [password, setPassword] = useState("");
  const [code, setCode] = useState<string>(); // undefined: nobody has asked for one
  const onSuccess = async () => {
    queries.clear();
    await router.navigate({ href: next ?? "/" });
  };
  const enter = useMutation({
    mutationFn: logIn,
    onSuccess,
    onError: (error) => { if (isProblem(error) && error.code === "second_factor_needed") setCode(""); },
  });
  const { data: providers = [] } = useQuery(providersQuery);
  const elsewhere = useMutation({ mutationFn: (provider: string) => goToProvider(provider, { links: false, next }), onMutate: () => enter.reset() });
  const byPasskey = useMutation({ mutationFn: logInWithPasskey, onSuccess, onMutate: () => enter.reset() });
  const submit = (e: FormEvent) => {
    e.preventDefault();
    byPasskey.reset();
    elsewhere.reset();
    enter.mutate({ email, password, code });
  };
  if (code !== undefined) {
    const asked = isProblem(enter.error) && enter.error.code === "second_factor_needed";
    return (
      <Door title="One more step" below={<TextLink to="/login" search={{ next }} onClick={() => { setCode(undefined); enter.reset(); }}>Log in as somebody else</TextLink>}>
        <form onSubmit={submit} noValidate>
          <Stack gap="md">
            <Failure error={asked ? undefined : enter.error} />
            <CodeInput value={code} onChange={setCode} />
            <Button type="submit" loading={enter.isPending} disabled={!code.trim()} fullWidth>Log in</Button>
          </Stack>
        </form>
      </Door>
    );
  }
  const wrong = wrongFields(enter.error);
  return (
    <Door title="Log in" below={<>New here? <TextLink to="/signup" search={{ next }}>Create an account</TextLink></>}>
      <form onSubmit={submit} noValidate>
        <Stack gap="md">
          <Failure error={enter.error ?? byPasskey.error ?? elsewhere.error} fields={["email", "password"]} />
          <TextInput label="E-mail address" type="email" autoComplete="username" autoFocus value={email} onChange={(e) => setEmail(e.target.value)} error={wrong.email} />
          <PasswordInput label="Password" autoComplete="current-password" value={password} onChange={(e) => setPassword(e.target.value)} error={wrong.password} />
          <Button type="submit" loading={enter.isPending} fullWidth>Log in</Button>
          <TextLink to="/forgot" ta="center">Forgot your password?</TextLink>
          {passkeysWork || providers.length > 0 ? <Divider label={<Text size="sm" c="dimmed">or</Text>} /> : null}
          {passkeysWork ? <Button variant="default" leftSection={<KeyIcon />} loading={byPasskey.isPending} onClick={() => byPasskey.mutate()} fullWidth>Log in with a passkey</Button> : null}
          {providers.map((p) => (
            <Button key={p.id} variant="default" loading={elsewhere.isPending && elsewhere.variables === p.id} onClick={() => elsewhere.mutate(p.id)} fullWidth>Log in with {p.name}</Button>
          ))}
        </Stack>
      </form>
    </Door>
  );
}
