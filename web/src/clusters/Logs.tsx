import { Button, Group, Select, Stack } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { getRouteApi } from "@tanstack/react-router";
import { useEffect, useRef, useState } from "react";

import { api, body } from "../api/client";
import { Failure } from "../parts/Failure";
import { Panel } from "../parts/Page";

const route = getRouteApi("/inside/clusters/$id");

const components = [
  { value: "apiserver", label: "API server" },
  { value: "controller-manager", label: "Controller manager" },
  { value: "scheduler", label: "Scheduler" },
  { value: "etcd", label: "etcd" },
  { value: "audit", label: "Audit log" },
] as const;
type Component = (typeof components)[number]["value"];

export function Logs() {
  const { id } = route.useParams();
  const [component, setComponent] = useState<Component>("apiserver");
  const log = useQuery({
    queryKey: ["log", id, component],
    queryFn: () => body(api.GET("/v1/clusters/{cluster_id}/logs", { params: { path: { cluster_id: id }, query: { component, tail: 500 } }, parseAs: "text" })),
    staleTime: 0,
  });
  const box = useRef<HTMLPreElement>(null);
  useEffect(() => {
    if (box.current) box.current.scrollTop = box.current.scrollHeight;
  }, [log.data]);
  return (
    <Stack gap="md">
      <Group justify="space-between" align="flex-end">
        <Select label="Component" data={components} value={component} onChange={(value) => value && setComponent(value)} allowDeselect={false} w={220} />
        <Button variant="default" loading={log.isFetching} onClick={() => void log.refetch()}>Read again</Button>
      </Group>
      <Failure error={log.error} />
      <Panel flush>
        <pre ref={box} className="log" tabIndex={0} aria-label="The last 500 lines">{log.data === "" ? "Nothing was logged yet." : log.data}</pre>
      </Panel>
    </Stack>
  );
}
