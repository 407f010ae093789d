import { Button, Group, Select, Stack, Text } from "@mantine/core";
import { useMutation, useSuspenseQuery } from "@tanstack/react-query";
import { getRouteApi } from "@tanstack/react-router";
import { useLayoutEffect, useRef, useState } from "react";

import { clusterQuery } from "../api/queries";
import { save } from "../parts/save";
import { Failure } from "../parts/Failure";
import { DownloadIcon } from "../parts/icons";
import { Panel } from "../parts/Page";
import { Status } from "../parts/Status";
import type { Lines } from "./lines";
import { type Component, useLog, wholeLog } from "./useLog";

const route = getRouteApi("/inside/clusters/$id");

const components: { value: Component; label: string }[] = [
  { value: "apiserver", label: "API server" },
  { value: "controller-manager", label: "Controller manager" },
  { value: "scheduler", label: "Scheduler" },
  { value: "etcd", label: "etcd" },
  { value: "audit", label: "Audit log" },
];

const states = {
  opening: { text: "Opening…", tone: "wait" },
  following: { text: "Following", tone: "good" },
  lost: { text: "Opening again…", tone: "wait" },
} as const;

export function Logs() {
  const { id } = route.useParams();
  const { data: cluster } = useSuspenseQuery(clusterQuery(id));
  const [component, setComponent] = useState<Component>("apiserver");
  const download = useMutation({ mutationFn: async () => save(await wholeLog(id, component), `${cluster.name}-${component}.log`, "text/plain") });
  return (
    <Stack gap="md">
      <Group justify="space-between" align="flex-end">
        <Select label="Component" data={components} value={component} onChange={(value) => value && setComponent(value)} allowDeselect={false} w={220} />
        <Button variant="default" leftSection={<DownloadIcon />} loading={download.isPending} onClick={() => download.mutate()}>Download</Button>
      </Group>
      <Failure error={download.error} />
      <Log key={component} cluster={id} component={component} />
    </Stack>
  );
}

function Log({ cluster, component }: { cluster: string; component: Component }) {
  const { lines, state, error } = useLog(cluster, component);
  return (
    <>
      <Failure error={error} />
      <Panel flush><Following lines={lines} empty={state === "following"} /></Panel>
      <Group justify="space-between" gap="xs">
        <Status {...states[state]} />
        <Text size="xs" c="dimmed" visibleFrom="sm">New lines appear by themselves. The download has the newest 10,000.</Text>
      </Group>
    </>
  );
}

/** Shows the newest lines, and stands still while somebody reads older ones. */
function Following({ lines, empty }: { lines: Lines; empty: boolean }) {
  const box = useRef<HTMLPreElement>(null);
  const [held, setHeld] = useState<Lines>();
  const shown = held ?? lines;
  useLayoutEffect(() => {
    if (!held && box.current) box.current.scrollTop = box.current.scrollHeight;
  }, [held, lines]);
  const scrolled = () => {
    const { scrollTop, scrollHeight, clientHeight } = box.current ?? { scrollTop: 0, scrollHeight: 0, clientHeight: 0 };
    const atEnd = scrollHeight - scrollTop - clientHeight < 4;
    if (atEnd !== !held) setHeld(atEnd ? undefined : lines);
  };
  const fresh = held ? Math.max(0, lines.count - held.count) : 0;
  return (
    <div className="following">
      <pre ref={box} className="log" tabIndex={0} aria-label="The newest lines" onScroll={scrolled}>
        {shown.whole.length === 0 && empty ? "Nothing was logged yet. What is written appears here." : shown.whole.join("\n")}
      </pre>
      {held ? <Button size="xs" onClick={() => setHeld(undefined)}>{fresh > 0 ? `Go on (${fresh.toLocaleString()} new)` : "Go on"}</Button> : null}
    </div>
  );
}
