import { Button, PasswordInput, Stack, Text } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";

import { isProblem, wrongFields } from "../api/problem";
import { Failure } from "../parts/Failure";
import { ButtonLink } from "../parts/Link";
import { BadLink } from "./BadLink";
import { Door } from "./Door";
import { forgetSecret, takeSecret } from "./secret";
import { reset } from "./session";

export function Reset() {
  const queries = useQueryClient();
  const [secret] = useState(takeSecret);
  const [password, setPassword] = useState("");
  const choose = useMutation({
    mutationFn: reset,
    onSuccess: () => {
      forgetSecret();
      queries.clear(); // whoever was logged in here is not any more
    },
  });
  const submit = (e: FormEvent) => {
    e.preventDefault();
    choose.mutate({ secret, password });
  };
  if (choose.isSuccess) {
    return (
      <Door title="Your password is changed">
        <Stack gap="md" aria-live="polite">
          <Text>Wherever you were logged in, you are not any more. Log in with the new password.</Text>
          <ButtonLink to="/login" fullWidth>Log in</ButtonLink>
        </Stack>
      </Door>
    );
  }
  if (!secret || (isProblem(choose.error) && choose.error.code === "link_not_good")) {
    return <BadLink to="/forgot" action="Get a new link" />;
  }
  return (
    <Door title="Choose a new password">
      <form onSubmit={submit} noValidate>
        <Stack gap="md">
          <Failure error={choose.error} fields={["password"]} />
          <PasswordInput label="New password" description="At least 12 characters. A sentence is easy to remember." autoComplete="new-password" autoFocus value={password} onChange={(e) => setPassword(e.target.value)} error={wrongFields(choose.error).password} />
          <Button type="submit" loading={choose.isPending} fullWidth>Change password</Button>
        </Stack>
      </form>
    </Door>
  );
}
