import { Alert, Button, Group, Stack, Text } from "@mantine/core";
import { useMutation, useQueryClient, useSuspenseQuery } from "@tanstack/react-query";
import { lazy, Suspense, useState } from "react";

import { usePermission } from "../account/permission";
import { api, body } from "../api/client";
import { authenticationQuery, clusterQuery } from "../api/queries";
import { Code } from "../parts/Code";
import { Panel } from "../parts/Page";
import { type Authentication, loginCommands, simple } from "./issuers";
import { IssuersForm } from "./IssuersForm";

const IssuersText = lazy(() => import("./IssuersText"));

/** Whose tokens a cluster takes besides its own: single sign-on for kubectl. */
export function Issuers({ id }: { id: string }) {
  const { data: cluster } = useSuspenseQuery(clusterQuery(id));
  const { data: saved } = useSuspenseQuery(authenticationQuery(id));
  const may = usePermission("members:write");
  const [editing, setEditing] = useState<"form" | "text">();
  const queries = useQueryClient();
  const save = useMutation({
    mutationFn: (wanted: Authentication) => body(api.PUT("/v1/clusters/{cluster_id}/authentication", { params: { path: { cluster_id: id } }, body: wanted })),
    onSuccess: (now) => {
      queries.setQueryData(authenticationQuery(id).queryKey, now);
      setEditing(undefined);
    },
  });
  const open = (how?: "form" | "text") => { save.reset(); setEditing(how); };
  const form = simple(saved);
  const [first] = saved.jwt;
  const unreachable = cluster.conditions?.find((c) => c.type === "IssuersReachable" && !c.ok);
  const editor = { error: save.error, pending: save.isPending, onSave: save.mutate, onCancel: () => open() };
  return (
    <Panel title="Single sign-on">
      <Stack gap="md">
        <Text c="dimmed" size="sm" maw={560}>People whom your own OpenID Connect provider knows can use kubectl, too. What they may do, you say with role bindings in the cluster: at first nothing.</Text>
        {unreachable ? <Alert color="yellow" variant="light">{unreachable.message}</Alert> : null}
        {editing === "form" && form ? <IssuersForm {...editor} saved={form} /> : null}
        {editing === "text" ? <Suspense><IssuersText {...editor} saved={saved} /></Suspense> : null}
        {editing ? null : (
          <>
            {first ? <Trusted authentication={saved} /> : <Text>The cluster takes nobody else's tokens.</Text>}
            {may ? (
              <Group gap="xs">
                {form ? <Button variant="default" size="xs" onClick={() => open("form")}>{first ? "Change" : "Set up single sign-on"}</Button> : null}
                <Button variant="default" size="xs" onClick={() => open("text")}>Edit as YAML</Button>
                {first ? <Button variant="default" size="xs" loading={save.isPending} onClick={() => save.mutate({ jwt: [] })}>Turn off</Button> : null}
              </Group>
            ) : null}
            {first ? (
              <Stack gap="xs">
                <Text size="sm">People get in with kubectl's plugin <a href="https://github.com/int128/kubelogin" target="_blank" rel="noreferrer" style={{ color: "var(--link)" }}>oidc-login</a>:</Text>
                <Code text={loginCommands(cluster.name, first)} label="commands to log in" />
              </Stack>
            ) : null}
          </>
        )}
      </Stack>
    </Panel>
  );
}

function Trusted({ authentication }: { authentication: Authentication }) {
  return (
    <ul style={{ margin: 0, paddingLeft: "1.25rem" }}>
      {authentication.jwt.map(({ issuer, claimMappings: { username } }) => (
        <li key={issuer.url} style={{ overflowWrap: "anywhere" }}>
          <Text component="span" fw={500}>{issuer.url}</Text>
          <Text component="span" c="dimmed" size="sm"> for {issuer.audiences.join(", ")}; names are {username.expression ?? `${username.prefix ?? ""}<${username.claim}>`}</Text>
        </li>
      ))}
    </ul>
  );
}
