import { Button, Group, Select, Stack, Text, Title } from "@mantine/core";
import { useMutation } from "@tanstack/react-query";
import { useState } from "react";

import { usePermission } from "../account/permission";
import type { Cluster } from "../api/client";
import { Code } from "../parts/Code";
import { Failure } from "../parts/Failure";
import { DownloadIcon } from "../parts/icons";
import { TextLink } from "../parts/Link";
import { usable } from "../words/phase";
import { quote } from "./command";
import { downloadKubeconfig, lives } from "./kubeconfig";

/** The ways to kubectl: in the browser, with the command line, and with a file. */
export function Connect({ cluster }: { cluster: Cluster }) {
  if (!usePermission("clusters:use")) return <Text c="dimmed">Your role in the organization gives no access to the cluster's Kubernetes API. Ask an owner or an admin.</Text>;
  return (
    <Stack gap="lg">
      {usable(cluster.phase) ? null : <Text c="dimmed">As soon as the cluster runs, these ways lead to it.</Text>}
      <section>
        <Title order={3} mb={4}>In the browser</Title>
        <Text c="dimmed">The <TextLink to="/clusters/$id/terminal" params={{ id: cluster.id }}>terminal</TextLink> has kubectl, with your own rights. Nothing needs to be installed.</Text>
      </section>
      <section>
        <Title order={3} mb={4}>With the command line</Title>
        <Text c="dimmed" mb="xs">kubectl gets credentials that are good for an hour, and renews them by itself for as long as you are logged in.</Text>
        <Code text={`marina kubeconfig ${quote(cluster.name)}\nkubectl get nodes`} label="commands to connect" />
      </section>
      <section>
        <Title order={3} mb={4}>With a file</Title>
        <KubeconfigFile cluster={cluster} />
      </section>
    </Stack>
  );
}

/** Downloads a kubeconfig that is good for as long as one chooses. */
export function KubeconfigFile({ cluster, onDone }: { cluster: Cluster; onDone?: () => void }) {
  const [seconds, setSeconds] = useState(String(lives[1].seconds));
  const download = useMutation({ mutationFn: () => downloadKubeconfig(cluster, Number(seconds)), onSuccess: onDone });
  return (
    <Stack gap="xs">
      <Text c="dimmed">
        A kubeconfig with a certificate in it, for where the command line is not. Whoever has the file has your rights in the cluster until it
        ends. It cannot be renewed, but it can be revoked at any time.
      </Text>
      <Failure error={download.error} />
      <Group align="flex-end" gap="xs">
        <Select label="Good for" data={lives.map((l) => ({ value: String(l.seconds), label: l.label }))} value={seconds} onChange={(chosen) => chosen && setSeconds(chosen)} allowDeselect={false} w={120} />
        <Button leftSection={<DownloadIcon />} variant="default" disabled={!usable(cluster.phase)} loading={download.isPending} onClick={() => download.mutate()}>Download</Button>
      </Group>
    </Stack>
  );
}
