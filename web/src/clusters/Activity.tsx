import { useSuspenseQuery } from "@tanstack/react-query";
import { getRouteApi } from "@tanstack/react-router";

import { eventsQuery } from "../api/queries";
import { Panel } from "../parts/Page";
import { Timeline } from "./Timeline";

const route = getRouteApi("/inside/clusters/$id");

export function Activity() {
  const { id } = route.useParams();
  const { data: events } = useSuspenseQuery(eventsQuery(id));
  return <Panel title="The last 30 days"><Timeline events={events} /></Panel>;
}
