import { Alert, Button, PasswordInput, Stack } from "@mantine/core";
import { useMutation, useQueryClient, useSuspenseQuery } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";

import { wrongFields } from "../api/problem";
import { accountQuery, sessionsQuery } from "../api/queries";
import { Failure } from "../parts/Failure";
import { changePassword } from "./session";

/** Changes the person's password, who says the present one. */
export function ChangePassword() {
  const { data: account } = useSuspenseQuery(accountQuery);
  const queries = useQueryClient();
  const [present, setPresent] = useState("");
  const [wanted, setWanted] = useState("");
  const change = useMutation({
    mutationFn: changePassword,
    onSuccess: () => {
      setPresent("");
      setWanted("");
      return queries.invalidateQueries(sessionsQuery);
    },
  });
  const submit = (e: FormEvent) => {
    e.preventDefault();
    change.mutate({ password: present, new_password: wanted });
  };
  const wrong = wrongFields(change.error);
  return (
    <form onSubmit={submit} noValidate>
      <Stack gap="md" maw={420}>
        <Failure error={change.error} fields={["password", "new_password"]} />
        {change.isSuccess && !present && !wanted ? <Alert color="green" variant="light">Your password is changed. Your other sessions have ended.</Alert> : null}
        <input type="hidden" autoComplete="username" value={account.email} readOnly />
        <PasswordInput label="Present password" autoComplete="current-password" value={present} onChange={(e) => setPresent(e.target.value)} error={wrong.password} />
        <PasswordInput label="New password" description="At least 12 characters. Your other sessions end." autoComplete="new-password" value={wanted} onChange={(e) => setWanted(e.target.value)} error={wrong.new_password} />
        <Button type="submit" loading={change.isPending} disabled={!present || !wanted} w="fit-content">Change password</Button>
      </Stack>
    </form>
  );
}
