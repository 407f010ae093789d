import { Button, Stack, TextInput } from "@mantine/core";
import { useMutation } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";

import { wrongFields } from "../api/problem";
import { Failure } from "../parts/Failure";
import { TextLink } from "../parts/Link";
import { Door } from "./Door";
import { LookAtYourMail } from "./LookAtYourMail";
import { forgot } from "./session";

export function Forgot() {
  const [email, setEmail] = useState("");
  const ask = useMutation({ mutationFn: forgot });
  const submit = (e: FormEvent) => {
    e.preventDefault();
    ask.mutate(email);
  };
  const below = <>You remember it? <TextLink to="/login">Log in</TextLink></>;
  if (ask.data) {
    return (
      <LookAtYourMail email={ask.data.email} onBack={() => ask.reset()} below={below}>
        Open the link in it within an hour, and choose a new password there.
      </LookAtYourMail>
    );
  }
  return (
    <Door title="Forgot your password?" below={below}>
      <form onSubmit={submit} noValidate>
        <Stack gap="md">
          <Failure error={ask.error} fields={["email"]} />
          <TextInput label="E-mail address" description="We send a link there to choose a new one." type="email" autoComplete="username" autoFocus value={email} onChange={(e) => setEmail(e.target.value)} error={wrongFields(ask.error).email} />
          <Button type="submit" loading={ask.isPending} fullWidth>Send the link</Button>
        </Stack>
      </form>
    </Door>
  );
}
