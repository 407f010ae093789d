import { Stack, Text } from "@mantine/core";
import { useSuspenseQuery } from "@tanstack/react-query";
import { getRouteApi } from "@tanstack/react-router";

import { usePermission } from "../account/permission";
import { eventsQuery } from "../api/queries";
import { TextLink } from "../parts/Link";
import { Panel } from "../parts/Page";
import { Timeline } from "./Timeline";

const route = getRouteApi("/inside/clusters/$id");

export function Activity() {
  const { id } = route.useParams();
  const { data: events } = useSuspenseQuery(eventsQuery(id));
  const mayAudit = usePermission("audit:read");
  return (
    <Stack gap="md">
      <Panel title="The last 30 days"><Timeline events={events} /></Panel>
      {mayAudit ? <Text size="sm" c="dimmed">Who asked for it, and from where, is in the <TextLink to="/audit" search={{ resource: id }}>audit log of this cluster</TextLink>.</Text> : null}
    </Stack>
  );
}
