import { Button, Modal, Tabs } from "@mantine/core";
import { useSuspenseQuery } from "@tanstack/react-query";
import { Outlet, getRouteApi, useLocation, useNavigate } from "@tanstack/react-router";
import { useEffect, useRef, useState } from "react";

import { usePermission } from "../account/permission";
import { useLive } from "../api/live";
import { clusterQuery } from "../api/queries";
import { DownloadIcon } from "../parts/icons";
import { ButtonLink } from "../parts/Link";
import { Empty, Page, Panel } from "../parts/Page";
import { Status } from "../parts/Status";
import { clusterPhase, usable } from "../words/phase";
import { KubeconfigFile } from "./Connect";
import { Recoverable } from "./Recoverable";

const route = getRouteApi("/inside/clusters/$id");

const tabs = [
  { path: "/", label: "Overview" },
  { path: "/nodes", label: "Nodes" },
  { path: "/workloads", label: "Workloads" },
  { path: "/terminal", label: "Terminal" },
  { path: "/access", label: "Access" },
  { path: "/activity", label: "Activity" },
  { path: "/logs", label: "Logs" },
  { path: "/settings", label: "Settings" },
  { path: "/danger", label: "Danger" },
];

export function ClusterPage() {
  const { id } = route.useParams();
  const { data: cluster } = useSuspenseQuery(clusterQuery(id));
  useLive(id);
  const navigate = useNavigate();
  const { pathname } = useLocation();
  const mayUse = usePermission("clusters:use");
  const [downloading, setDownloading] = useState(false);
  const base = `/clusters/${id}`;
  const shown = tabs.find((tab) => tab.path !== "/" && pathname.startsWith(base + tab.path))?.path ?? "/";
  const bar = useRef<HTMLDivElement>(null);
  useEffect(() => { // on a phone the bar is wider than the screen
    bar.current?.querySelector('[aria-selected="true"]')?.scrollIntoView({ block: "nearest", inline: "center" });
  }, [shown]);
  if (cluster.phase === "deleted") {
    return (
      <Page title={cluster.name}>
        <Panel><Empty title="This cluster is deleted" action={<ButtonLink to="/clusters" variant="default">To your clusters</ButtonLink>}>Nothing of it is left.</Empty></Panel>
      </Page>
    );
  }
  if (cluster.phase === "recoverable") return <Recoverable cluster={cluster} />;
  return (
    <Page
      title={cluster.name}
      about={<><Status {...clusterPhase(cluster.phase)} /> · Kubernetes {cluster.version}</>}
      actions={mayUse ? <Button leftSection={<DownloadIcon />} variant="default" disabled={!usable(cluster.phase)} onClick={() => setDownloading(true)}>Kubeconfig</Button> : null}
    >
      <Modal opened={downloading} onClose={() => setDownloading(false)} title="Download a kubeconfig" centered><KubeconfigFile cluster={cluster} onDone={() => setDownloading(false)} /></Modal>
      <Tabs value={shown} onChange={(path) => void navigate({ to: base + (path === "/" ? "" : path) })} mb="lg" keepMounted={false}>
        <div className="scroll" ref={bar}>
          <Tabs.List style={{ flexWrap: "nowrap", minWidth: "max-content" }}>
            {tabs.map((tab) => <Tabs.Tab key={tab.path} value={tab.path}>{tab.label}</Tabs.Tab>)}
          </Tabs.List>
        </div>
        <Tabs.Panel value={shown} pt="lg"><Outlet /></Tabs.Panel>
      </Tabs>
    </Page>
  );
}
