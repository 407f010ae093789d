import { Stack, Text, Title } from "@mantine/core";

import { Code } from "../parts/Code";
import { ButtonLink } from "../parts/Link";
import { Empty, Page, Panel } from "../parts/Page";
import { PlusIcon } from "../parts/icons";

/** What stands on the dashboard of an organization that has no cluster yet. */
export function Welcome({ mayCreate }: { mayCreate: boolean }) {
  if (!mayCreate) {
    return (
      <Page title="Dashboard">
        <Panel><Empty title="No clusters yet">Nobody has created a cluster in this organization. Ask an owner, an admin or a developer for one; you will see it here.</Empty></Panel>
      </Page>
    );
  }
  return (
    <Page title="Welcome to Marina" about="A Kubernetes cluster of your own is three steps away.">
      <Stack gap="lg">
        <Panel>
          <ol className="steps">
            <li>
              <Title order={2}>Create a cluster</Title>
              <Text c="dimmed" mt={4}>Choose a name. The control plane runs here and is ready in seconds; nodes, on which your pods run, can be added now or later.</Text>
            </li>
            <li>
              <Title order={2}>Connect to it</Title>
              <Text c="dimmed" mt={4} mb="sm">Download a kubeconfig from the cluster's page, or let the command line get one:</Text>
              <Code text="marina kubeconfig NAME" label="the command to connect" />
            </li>
            <li>
              <Title order={2}>Run something</Title>
              <Text c="dimmed" mt={4} mb="sm">Plain kubectl, Helm and everything else that speaks Kubernetes work as they are:</Text>
              <Code text="kubectl create deployment web --image=nginx" label="the command to run something" />
            </li>
          </ol>
          <ButtonLink to="/clusters/new" leftSection={<PlusIcon />} size="md" mt="xl">Create your first cluster</ButtonLink>
        </Panel>
        <Text c="dimmed">You pay for what runs, by the second, and can delete a cluster at any time. The price is shown before you create it.</Text>
      </Stack>
    </Page>
  );
}
