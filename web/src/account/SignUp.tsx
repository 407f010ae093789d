import { Button, Stack, TextInput } from "@mantine/core";
import { useMutation } from "@tanstack/react-query";
import { getRouteApi } from "@tanstack/react-router";
import { type FormEvent, useState } from "react";

import { wrongFields } from "../api/problem";
import { Failure } from "../parts/Failure";
import { TextLink } from "../parts/Link";
import { Door } from "./Door";
import { LookAtYourMail } from "./LookAtYourMail";
import { signUp } from "./session";

const route = getRouteApi("/signup");

export function SignUp() {
  const { next } = route.useSearch();
  const [email, setEmail] = useState("");
  const ask = useMutation({ mutationFn: signUp });
  const submit = (e: FormEvent) => {
    e.preventDefault();
    ask.mutate(email);
  };
  const below = <>You have an account? <TextLink to="/login" search={{ next }}>Log in</TextLink></>;
  if (ask.data) {
    return (
      <LookAtYourMail email={ask.data.email} onBack={() => ask.reset()} below={below}>
        Open the link in it within a day, and choose a password there.
      </LookAtYourMail>
    );
  }
  return (
    <Door title="Create your account" below={below}>
      <form onSubmit={submit} noValidate>
        <Stack gap="md">
          <Failure error={ask.error} fields={["email"]} />
          <TextInput label="E-mail address" description="We send a link there to go on with." type="email" autoComplete="username" autoFocus value={email} onChange={(e) => setEmail(e.target.value)} error={wrongFields(ask.error).email} />
          <Button type="submit" loading={ask.isPending} fullWidth>Go on</Button>
        </Stack>
      </form>
    </Door>
  );
}
