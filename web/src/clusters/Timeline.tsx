import { Text } from "@mantine/core";

import type { Event } from "../api/client";
import { clock, date, isToday } from "../words/time";

/** Events, the newest first. Those without a message are not for people. */
export function Timeline({ events }: { events: Event[] }) {
  const told = events.filter((e) => e.message !== "").toReversed();
  if (told.length === 0) return <Text c="dimmed">Nothing yet.</Text>;
  return (
    <ol className="timeline">
      {told.map((e) => (
        <li key={e.id}>
          <time dateTime={e.at}>{isToday(e.at) ? clock(e.at) : date(e.at)}</time>
          <span>{e.message}</span>
        </li>
      ))}
    </ol>
  );
}
