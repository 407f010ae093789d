import { Button, Group, Kbd, Stack, Text, useComputedColorScheme } from "@mantine/core";
import { useSuspenseQuery } from "@tanstack/react-query";
import { getRouteApi } from "@tanstack/react-router";
import { useEffect, useRef, useState } from "react";

import { usePermission } from "../account/permission";
import { clusterQuery } from "../api/queries";
import { Empty, Panel } from "../parts/Page";
import { Status } from "../parts/Status";
import { usable } from "../words/phase";
import { colors } from "./colors";
import { type Connection, connect } from "./connection";
import { extraKeys } from "./keys";
import { openScreen, type Screen } from "./screen";

const route = getRouteApi("/inside/clusters/$id");

export function TerminalPage() {
  const { id } = route.useParams();
  const { data: cluster } = useSuspenseQuery(clusterQuery(id));
  if (!usePermission("clusters:use")) {
    return <Panel><Empty title="Your role has no terminal">A terminal acts in the cluster with your own rights, and your role in the organization gives none. Ask an owner or an admin.</Empty></Panel>;
  }
  if (!usable(cluster.phase)) {
    return (
      <Panel>
        <Empty title="The cluster is not running">
          A terminal opens here as soon as the cluster's API answers. It has kubectl, with your own rights, and needs no node.
        </Empty>
      </Panel>
    );
  }
  return <Session cluster={id} name={cluster.name} />;
}

type State = keyof typeof words | { ended: string };

const words = {
  connecting: { text: "Connecting…", tone: "wait" },
  open: { text: "Connected", tone: "good" },
} as const;

function Session({ cluster, name }: { cluster: string; name: string }) {
  const box = useRef<HTMLDivElement>(null);
  const screen = useRef<Screen>(null);
  const connection = useRef<Connection>(null);
  const [state, setState] = useState<State>("connecting");
  const [attempt, setAttempt] = useState(0);
  const scheme = useComputedColorScheme("light");
  const firstScheme = useRef(scheme);
  useEffect(() => {
    if (!box.current) return;
    const opened = openScreen(box.current, colors(firstScheme.current), {
      typed: (text) => connection.current?.type(text),
      resized: (size) => connection.current?.resize(size),
    });
    screen.current = opened;
    return () => opened.dispose();
  }, []);
  useEffect(() => {
    firstScheme.current = scheme;
    screen.current?.paint(colors(scheme));
  }, [scheme]);
  useEffect(() => {
    const shown = screen.current;
    if (!shown) return;
    setState("connecting");
    const made = connect(cluster, shown.size(), {
      opened: () => {
        setState("open");
        made.resize(shown.size()); // it may have changed meanwhile
        shown.focus();
      },
      shown: (data) => shown.show(data),
      ended: (why) => setState({ ended: why }),
    });
    connection.current = made;
    return () => made.close();
  }, [cluster, attempt]);
  const again = () => {
    screen.current?.show("\r\n");
    setAttempt((n) => n + 1);
  };
  return (
    <Stack gap="sm">
      <Panel flush>
        <section ref={box} className="shell" aria-label={`Terminal of ${name}`} />
      </Panel>
      <Group gap="xs" hiddenFrom="sm">
        {extraKeys.map((k) => (
          <Button key={k.name} size="xs" variant="default" aria-label={k.label ?? k.name} onClick={() => { connection.current?.type(k.sends); screen.current?.focus(); }}>{k.name}</Button>
        ))}
      </Group>
      <Group justify="space-between" gap="xs" mih={36}>
        {typeof state === "object" ? (
          <>
            <Text role="alert" maw={560}>{state.ended}</Text>
            <Button variant="default" onClick={again}>Open another one</Button>
          </>
        ) : (
          <>
            <Status {...words[state]} />
            <Text size="xs" c="dimmed" visibleFrom="sm"><Kbd size="xs">Esc</Kbd>, then <Kbd size="xs">Tab</Kbd> leaves the terminal. It closes after 20 minutes without use.</Text>
          </>
        )}
      </Group>
    </Stack>
  );
}
