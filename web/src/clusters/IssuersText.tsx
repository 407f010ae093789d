import { Button, Group, Stack, Text, Textarea } from "@mantine/core";
import { type FormEvent, useState } from "react";
import { parse, stringify } from "yaml";

import { wrongFields } from "../api/problem";
import { Failure } from "../parts/Failure";
import type { Authentication } from "./issuers";

interface Props {
  saved: Authentication;
  error: unknown;
  pending: boolean;
  onSave: (wanted: Authentication) => void;
  onCancel: () => void;
}

const example = `# jwt:
# - issuer: {url: https://login.example.com, audiences: [kubernetes]}
#   claimMappings:
#     username: {expression: "'oidc:' + claims.sub"}
#   userValidationRules:
#   - {expression: "!user.username.startsWith('oidc:guest-')", message: no guests}
`;

/** All that Kubernetes knows of issuers, as a text. */
export default function IssuersText({ saved, error, pending, onSave, onCancel }: Props) {
  const [text, setText] = useState(() => (saved.jwt.length === 0 ? `${example}jwt: []\n` : stringify({ jwt: saved.jwt })));
  const [unread, setUnread] = useState("");
  const wrong = wrongFields(error);
  const submit = (e: FormEvent) => {
    e.preventDefault();
    setUnread("");
    try {
      onSave(parse(text) as Authentication); // what is wrong inside, the API says
    } catch (why) {
      setUnread(why instanceof Error ? why.message : "This is not YAML.");
    }
  };
  const complaint = unread || Object.entries(wrong).map(([field, what]) => `${field}: ${what}`).join("\n");
  return (
    <form onSubmit={submit} noValidate>
      <Stack gap="sm" maw={720}>
        <Text size="sm" c="dimmed">The list <code>jwt</code> of Kubernetes' AuthenticationConfiguration, as you would write it for an API server of your own.</Text>
        <Textarea
          aria-label="Issuers as YAML" value={text} onChange={(e) => setText(e.target.value)} autosize minRows={8} maxRows={24} spellCheck={false}
          error={complaint} styles={{ input: { fontFamily: "monospace", color: "var(--mantine-color-text)" }, error: { whiteSpace: "pre-wrap" } }}
        />
        <Failure error={error} fields={Object.keys(wrong)} />
        <Group>
          <Button type="submit" loading={pending}>Save</Button>
          <Button variant="default" onClick={onCancel}>Cancel</Button>
        </Group>
      </Stack>
    </form>
  );
}
