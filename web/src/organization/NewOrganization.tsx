import { Button, Group, Stack, TextInput } from "@mantine/core";
import { useMutation } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";

import { useActIn } from "../api/act";
import { api, body } from "../api/client";
import { wrongFields } from "../api/problem";
import { Failure } from "../parts/Failure";

/** Makes an organization of one's own, and goes on in it. */
export function NewOrganization({ done }: { done: () => void }) {
  const actIn = useActIn();
  const [name, setName] = useState("");
  const create = useMutation({
    mutationFn: () => body(api.POST("/v1/organizations", { body: { name } })),
    onSuccess: async (made) => { done(); await actIn(made.id); },
  });
  const submit = (e: FormEvent) => { e.preventDefault(); create.mutate(); };
  return (
    <form onSubmit={submit} noValidate>
      <Stack>
        <Failure error={create.error} fields={["name"]} />
        <TextInput label="Name" description="You are its owner, and can invite others." data-autofocus value={name} onChange={(e) => setName(e.target.value)} error={wrongFields(create.error).name} autoComplete="off" />
        <Group justify="flex-end"><Button variant="default" onClick={done}>Cancel</Button><Button type="submit" loading={create.isPending}>Create organization</Button></Group>
      </Stack>
    </form>
  );
}
