import { Box } from "@mantine/core";

import { explain, isProblem } from "../api/problem";
import { Failure } from "../parts/Failure";
import { Empty } from "../parts/Page";

/** Says why something in the cluster is not shown. */
export function Refused({ error, what, namespace }: { error: unknown; what: string; namespace: string }) {
  if (!isProblem(error) || error.code !== "kubernetes_forbidden") return <Box p="md"><Failure error={error} /></Box>;
  return (
    <Empty title={namespace ? `You may not see the ${what} of ${namespace}` : `You may not see the ${what} of all namespaces`}>
      {namespace ? "" : "Choose a namespace above that you may see. "}{explain(error)}
    </Empty>
  );
}
