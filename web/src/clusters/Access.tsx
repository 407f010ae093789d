import { Stack } from "@mantine/core";
import { getRouteApi } from "@tanstack/react-router";

import { usePermission } from "../account/permission";
import { Credentials } from "./Credentials";
import { Issuers } from "./Issuers";
import { Networks } from "./Networks";

const route = getRouteApi("/inside/clusters/$id");

/** Who gets into the Kubernetes API of a cluster, with what, and from where. */
export function Access() {
  const { id } = route.useParams();
  const mayUse = usePermission("clusters:use");
  return (
    <Stack gap="lg">
      {mayUse ? <Credentials id={id} /> : null}
      <Networks id={id} />
      <Issuers id={id} />
    </Stack>
  );
}
