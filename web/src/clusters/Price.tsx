import { Text } from "@mantine/core";

import type { Options } from "../api/client";
import { estimate, money, type Wanted } from "../words/money";
import { nodes } from "../words/size";

/** What a cluster with these pools costs, by hour and by month. */
export function Price({ options, pools }: { options: Options; pools: Wanted[] }) {
  const count = pools.reduce((sum, p) => sum + p.count, 0);
  const hour = estimate(options, pools, "hour");
  const month = estimate(options, pools, "month");
  return (
    <div aria-live="polite">
      <Text c="dimmed">One control plane, {count === 0 ? "no nodes" : nodes(count)}</Text>
      {hour === undefined || month === undefined ? <Text mt={4} fw={600}>No price is set</Text> : (
        <>
          <Text mt={4} fz={22} fw={650} style={{ fontVariantNumeric: "tabular-nums" }}>{money(month, options.currency, 2)}<Text component="span" c="dimmed" fz="sm" fw={400}> at most a month</Text></Text>
          <Text c="dimmed" style={{ fontVariantNumeric: "tabular-nums" }}>{money(hour, options.currency, 4)} an hour, by the second</Text>
        </>
      )}
    </div>
  );
}
