import { Stack } from "@mantine/core";
import { useSuspenseQuery } from "@tanstack/react-query";
import { getRouteApi, useNavigate } from "@tanstack/react-router";

import { usePermission } from "../account/permission";
import { clusterQuery } from "../api/queries";
import { Empty, Panel } from "../parts/Page";
import { usable } from "../words/phase";
import { KubernetesEvents } from "./KubernetesEvents";
import { NamespaceChoice } from "./NamespaceChoice";
import { Pods } from "./Pods";

const route = getRouteApi("/inside/clusters/$id/workloads");

/** What runs in the cluster, as the cluster's own rules let this person see it. */
export function Workloads() {
  const { id } = route.useParams();
  const { namespace = "" } = route.useSearch();
  const { data: cluster } = useSuspenseQuery(clusterQuery(id));
  const navigate = useNavigate();
  const may = usePermission("clusters:use");
  if (!may) {
    return <Panel><Empty title="Your role does not look into clusters">Workloads are shown with your own rights in the cluster, and your role in the organization gives none. Ask an owner or an admin.</Empty></Panel>;
  }
  if (!usable(cluster.phase)) {
    return <Panel><Empty title="The cluster is not running">What runs in it is shown here as soon as its API answers.</Empty></Panel>;
  }
  const choose = (chosen: string) => void navigate({ to: "/clusters/$id/workloads", params: { id }, search: chosen ? { namespace: chosen } : {}, replace: true });
  return (
    <Stack gap="lg">
      <NamespaceChoice cluster={id} namespace={namespace} onChange={choose} />
      <Pods cluster={id} namespace={namespace} />
      <KubernetesEvents cluster={id} namespace={namespace} />
    </Stack>
  );
}
