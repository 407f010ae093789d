import { Progress, Stack, Text } from "@mantine/core";
import { useSuspenseQuery } from "@tanstack/react-query";

import { Page, Panel } from "../parts/Page";
import { Status } from "../parts/Status";
import { bytes } from "../words/size";
import { dateAndTime } from "../words/time";
import { installationQuery } from "./queries";

const checks: Record<string, string> = {
  postgres: "The database answers",
  nats: "Messages are carried",
  secrets: "Secrets can be sealed and opened",
  router: "The router carries connections to clusters",
};

const disks: Record<string, string> = { home: "All data", run: "Sockets and unsealed keys, in memory" };

/** How the installation itself is, for whoever runs it. */
export function Installation() {
  const { data } = useSuspenseQuery(installationQuery);
  return (
    <Page title="Installation" about={<><Status text={data.ready ? "Healthy" : "Not healthy"} tone={data.ready ? "good" : "bad"} /> · Marina {data.version}</>}>
      <div className="two">
        <Panel title="What it cannot do without">
          <Stack gap="sm">
            {(data.checks ?? []).map((c) => (
              <div key={c.name}>
                <Status text={checks[c.name] ?? c.name} tone={c.ok ? "good" : "bad"} />
                {c.message ? <Text size="sm" c="dimmed" pl={15} style={{ overflowWrap: "anywhere" }}>{c.message}</Text> : null}
              </div>
            ))}
          </Stack>
        </Panel>
        <Stack gap="lg">
          <Panel title="Disks">
            <Stack gap="md">
              {(data.disks ?? []).map((d) => {
                const used = Math.round((1 - d.free_bytes / d.size_bytes) * 100);
                return (
                  <div key={d.name}>
                    <Text>{disks[d.name] ?? d.name}</Text>
                    <Progress value={used} color={used >= 90 ? "red" : "sea"} my={6} aria-label={`${disks[d.name] ?? d.name}: ${used} % used`} />
                    <Text size="sm" c="dimmed">{bytes(d.free_bytes)} of {bytes(d.size_bytes)} free</Text>
                  </div>
                );
              })}
            </Stack>
          </Panel>
          <Panel title="Backup">
            {data.last_backup_at ? <Text>The last whole backup was made on {dateAndTime(data.last_backup_at)}.</Text> : (
              <Text>There is no backup yet. Make one on the machine: <Text component="code" ff="monospace">marina backup</Text></Text>
            )}
          </Panel>
        </Stack>
      </div>
    </Page>
  );
}
