import { Alert, Button, Group, Stack, Switch, Text, TextInput } from "@mantine/core";
import { useMutation, useQueryClient, useSuspenseQuery } from "@tanstack/react-query";
import { getRouteApi } from "@tanstack/react-router";
import { type FormEvent, useState } from "react";

import { usePermission } from "../account/permission";
import { answered } from "../api/changes";
import type { Cluster } from "../api/client";
import { wrongFields } from "../api/problem";
import { clusterQuery } from "../api/queries";
import { Failure } from "../parts/Failure";
import { Panel } from "../parts/Page";
import { changeSettings, Conflict, type SettingsOf } from "./settings";

const route = getRouteApi("/inside/clusters/$id");

/** A change of settings, shown at once and taken back when it is refused. */
function useChange(id: string) {
  const queries = useQueryClient();
  const key = clusterQuery(id).queryKey;
  return useMutation({
    mutationFn: ({ seen, change }: { seen: SettingsOf; change: Partial<SettingsOf> }) => changeSettings(id, seen, change),
    onMutate: ({ change }) => {
      queries.setQueryData<Cluster>(key, (was) => was && { ...was, ...change });
      return performance.now();
    },
    onSuccess: (cluster, _, sent) => answered(queries, sent, { kind: "cluster", cluster }),
    onError: (error, { seen }) => {
      queries.setQueryData<Cluster>(key, (was) => (error instanceof Conflict ? error.now : was && { ...was, name: seen.name, deletion_protection: seen.deletion_protection }));
    },
  });
}

function Refusal({ error }: { error: unknown }) {
  if (error instanceof Conflict) return <Alert color="yellow" variant="light" role="alert">{error.message}</Alert>;
  return <Failure error={error} fields={["name"]} />;
}

export function Settings() {
  const { id } = route.useParams();
  const { data: cluster } = useSuspenseQuery(clusterQuery(id));
  const may = usePermission("clusters:write");
  return (
    <Stack gap="lg">
      <Name cluster={cluster} may={may} />
      <Protection cluster={cluster} may={may} />
    </Stack>
  );
}

function Name({ cluster, may }: { cluster: Cluster; may: boolean }) {
  const [edited, setEdited] = useState<{ name: string; seen: SettingsOf }>();
  const change = useChange(cluster.id);
  const name = edited?.name ?? cluster.name;
  const submit = (e: FormEvent) => {
    e.preventDefault();
    if (edited) change.mutate({ seen: edited.seen, change: { name } }, { onSettled: (_, error) => { if (!error || error instanceof Conflict) setEdited(undefined); } });
  };
  return (
    <Panel title="Name">
      <form onSubmit={submit}>
        <Stack gap="md" maw={520}>
          <Text>How people call the cluster. Its id, its endpoint and every kubeconfig stay as they are.</Text>
          <Refusal error={change.error} />
          <TextInput
            label="Name" value={name} disabled={!may} autoComplete="off" spellCheck={false} error={wrongFields(change.error).name}
            onChange={(e) => setEdited({ name: e.target.value, seen: edited?.seen ?? cluster })}
          />
          <Group><Button type="submit" disabled={!may || name === cluster.name} loading={change.isPending}>Rename</Button></Group>
        </Stack>
      </form>
    </Panel>
  );
}

function Protection({ cluster, may }: { cluster: Cluster; may: boolean }) {
  const change = useChange(cluster.id);
  return (
    <Panel title="Deletion protection">
      <Stack gap="md" maw={520}>
        <Text>While it is on, nobody can delete the cluster: neither here, nor with the command line or the API.</Text>
        <Refusal error={change.error} />
        <Switch
          label="Deletion protection" checked={cluster.deletion_protection} disabled={!may || change.isPending}
          onChange={(e) => change.mutate({ seen: cluster, change: { deletion_protection: e.currentTarget.checked } })}
        />
      </Stack>
    </Panel>
  );
}
