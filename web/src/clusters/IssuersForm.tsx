import { Button, Group, SimpleGrid, Stack, TextInput } from "@mantine/core";
import { type FormEvent, useState } from "react";

import { wrongFields } from "../api/problem";
import { Failure } from "../parts/Failure";
import { type Authentication, places, type Simple, written } from "./issuers";

interface Props {
  saved: Simple;
  error: unknown;
  pending: boolean;
  onSave: (wanted: Authentication) => void;
  onCancel: () => void;
}

const fields: { name: keyof Simple; label: string; placeholder: string; description: string }[] = [
  { name: "url", label: "Issuer", placeholder: "https://login.example.com", description: "The URL of your OpenID Connect provider." },
  { name: "client", label: "Client id", placeholder: "kubernetes", description: "The audience of its tokens." },
  { name: "username", label: "Claim with the name", placeholder: "sub", description: "sub, or email." },
  { name: "usernamePrefix", label: "Prefix of names", placeholder: "oidc:", description: "Ends with a colon: nobody is taken for a person of Marina's." },
  { name: "groups", label: "Claim with the groups", placeholder: "groups", description: "Leave it empty if there is none." },
  { name: "groupsPrefix", label: "Prefix of groups", placeholder: "oidc:", description: "May be empty." },
];

/** One issuer, as most need it. */
export function IssuersForm({ saved, error, pending, onSave, onCancel }: Props) {
  const [wanted, setWanted] = useState(saved);
  const wrong = wrongFields(error);
  const submit = (e: FormEvent) => {
    e.preventDefault();
    onSave({ jwt: [written(wanted)] });
  };
  return (
    <form onSubmit={submit} noValidate>
      <Stack gap="sm" maw={720}>
        <SimpleGrid cols={{ base: 1, xs: 2 }}>
          {fields.map(({ name, ...shown }) => (
            <TextInput
              key={name} {...shown} value={wanted[name]} onChange={(e) => setWanted({ ...wanted, [name]: e.target.value })}
              error={places[name].map((at) => wrong[at]).find(Boolean)} autoComplete="off" spellCheck={false}
            />
          ))}
        </SimpleGrid>
        <Failure error={error} fields={Object.values(places).flat()} />
        <Group>
          <Button type="submit" loading={pending}>Save</Button>
          <Button variant="default" onClick={onCancel}>Cancel</Button>
        </Group>
      </Stack>
    </form>
  );
}
