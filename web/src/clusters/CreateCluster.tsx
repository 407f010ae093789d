import { Alert, Button, Collapse, Select, SimpleGrid, Stack, Tabs, Text, TextInput, UnstyledButton } from "@mantine/core";
import { useMutation, useQueryClient, useSuspenseQuery } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { type FormEvent, useState } from "react";

import { usePermission } from "../account/permission";
import { explain, wrongFields } from "../api/problem";
import { clustersQuery, optionsQuery } from "../api/queries";
import { Code } from "../parts/Code";
import { Failure } from "../parts/Failure";
import { ButtonLink, TextLink } from "../parts/Link";
import { Empty, Page, Panel } from "../parts/Page";
import { asCommands, asRequests, type WantedCluster } from "./command";
import { createCluster, PoolRefused } from "./create";
import { PoolFields } from "./PoolFields";
import { Price } from "./Price";

export function CreateCluster() {
  if (usePermission("clusters:write")) return <Form />;
  return (
    <Page title="Create a cluster">
      <Panel><Empty title="Your role may not create clusters" action={<ButtonLink to="/clusters" variant="default">To the clusters</ButtonLink>}>Ask an owner, an admin or a developer of the organization for one, or for another role.</Empty></Panel>
    </Page>
  );
}

function Form() {
  const { data: options } = useSuspenseQuery(optionsQuery);
  const queries = useQueryClient();
  const navigate = useNavigate();
  const versions = options.versions ?? [];
  const smallest = options.sizes?.[0]?.name ?? "";
  const [wanted, setWanted] = useState<WantedCluster>({
    name: "", version: versions.find((v) => v.default)?.version ?? "", podCIDR: "10.244.0.0/16", serviceCIDR: "10.96.0.0/12",
    pools: [{ name: "workers", size: smallest, count: 2 }],
  });
  const [networks, setNetworks] = useState(false);
  const change = (part: Partial<WantedCluster>) => setWanted((was) => ({ ...was, ...part }));
  const create = useMutation({
    mutationFn: createCluster,
    onSuccess: async (cluster) => {
      await queries.invalidateQueries(clustersQuery);
      await navigate({ to: "/clusters/$id", params: { id: cluster.id } });
    },
  });
  const refused = create.error instanceof PoolRefused ? create.error : undefined;
  const wrong = refused ? {} : wrongFields(create.error);
  const submit = (e: FormEvent) => {
    e.preventDefault();
    create.mutate(wanted);
  };
  return (
    <Page title="Create a cluster" about="It is usable in a few seconds. Nodes can be added, resized and removed at any time.">
      <form onSubmit={submit} noValidate>
        <div className="split">
          <Stack gap="lg">
            {refused ? (
              <Alert color="yellow" role="alert" title="The cluster is there, a node pool is not">
                {explain(refused.cause)} <TextLink to="/clusters/$id/nodes" params={{ id: refused.cluster.id }}>Go to the cluster's nodes</TextLink>
              </Alert>
            ) : <Failure error={create.error} fields={["name", "version", "pod_cidr", "service_cidr"]} />}
            <Panel title="Cluster">
              <Stack gap="md">
                <SimpleGrid cols={{ base: 1, xs: 2 }}>
                  <TextInput label="Name" placeholder="production" autoFocus value={wanted.name} onChange={(e) => change({ name: e.target.value })} error={wrong.name} autoComplete="off" spellCheck={false} />
                  <Select label="Kubernetes version" data={versions.map((v) => ({ value: v.version, label: v.kubernetes_version }))} value={wanted.version} onChange={(version) => version && change({ version })} allowDeselect={false} error={wrong.version} />
                </SimpleGrid>
                <UnstyledButton onClick={() => setNetworks(!networks)} aria-expanded={networks} c="var(--link)" fw={500} w="fit-content">{networks ? "Hide networks" : "Choose networks"}</UnstyledButton>
                <Collapse expanded={networks || Boolean(wrong.pod_cidr ?? wrong.service_cidr)}>
                  <SimpleGrid cols={{ base: 1, xs: 2 }}>
                    <TextInput label="Network of pods" description="Cannot change later." value={wanted.podCIDR} onChange={(e) => change({ podCIDR: e.target.value })} error={wrong.pod_cidr} />
                    <TextInput label="Network of Services" description="Cannot change later." value={wanted.serviceCIDR} onChange={(e) => change({ serviceCIDR: e.target.value })} error={wrong.service_cidr} />
                  </SimpleGrid>
                </Collapse>
              </Stack>
            </Panel>
            <Panel title="Node pools">
              <PoolFields options={options} pools={wanted.pools} onChange={(pools) => change({ pools })} />
            </Panel>
            <Panel title="Do the same elsewhere">
              <Tabs defaultValue="cli">
                <Tabs.List mb="sm"><Tabs.Tab value="cli">Command line</Tabs.Tab><Tabs.Tab value="curl">curl</Tabs.Tab></Tabs.List>
                <Tabs.Panel value="cli"><Code text={asCommands(wanted)} label="command lines" /></Tabs.Panel>
                <Tabs.Panel value="curl"><Code text={asRequests(wanted, location.origin)} label="requests" /></Tabs.Panel>
              </Tabs>
            </Panel>
          </Stack>
          <div className="beside">
            <Panel title="Summary">
              <Stack gap="md">
                <Price options={options} pools={wanted.pools} />
                <Button type="submit" loading={create.isPending} fullWidth>Create cluster</Button>
                <Text size="xs" c="dimmed">You can delete it again at any time.</Text>
              </Stack>
            </Panel>
          </div>
        </div>
      </form>
    </Page>
  );
}
