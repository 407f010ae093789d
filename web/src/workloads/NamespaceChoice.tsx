import { Button, Group, Select, Text, TextInput } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";

import { namespacesQuery } from "./queries";

interface Props {
  cluster: string;
  namespace: string;
  onChange: (namespace: string) => void;
}

/** Chooses a namespace: from a list, or by its name where the list may not be seen. */
export function NamespaceChoice(props: Props) {
  const { data: namespaces, error } = useQuery(namespacesQuery(props.cluster));
  if (error) return <ByName {...props} />;
  const data = [{ value: "", label: "All namespaces" }];
  for (const n of namespaces ?? []) data.push({ value: n.name, label: n.status === "Active" ? n.name : `${n.name} (${n.status.toLowerCase()})` });
  if (!data.some((n) => n.value === props.namespace)) data.push({ value: props.namespace, label: props.namespace });
  return (
    <Group justify="space-between" align="flex-end">
      <Select label="Namespace" data={data} value={props.namespace} onChange={(chosen) => props.onChange(chosen ?? "")} allowDeselect={false} searchable={data.length > 8} w={260} />
      <Text size="xs" c="dimmed">Shown with your own rights, and up to date within seconds.</Text>
    </Group>
  );
}

function ByName({ namespace, onChange }: Props) {
  const [typed, setTyped] = useState(namespace);
  const submit = (e: FormEvent) => {
    e.preventDefault();
    onChange(typed.trim());
  };
  return (
    <form onSubmit={submit}>
      <Group align="flex-end" gap="xs">
        <TextInput label="Namespace" description="The cluster does not list its namespaces for you. Name one that you may see." value={typed} onChange={(e) => setTyped(e.target.value)} autoComplete="off" spellCheck={false} />
        <Button type="submit" variant="default">Show</Button>
      </Group>
    </form>
  );
}
