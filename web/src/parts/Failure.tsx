import { Alert } from "@mantine/core";

import { explain, isProblem, wrongFields } from "../api/problem";

/** Says why something did not work, where no field can say it. */
export function Failure({ error, fields = [] }: { error: unknown; fields?: string[] }) {
  if (!error) return null;
  const wrong = Object.keys(wrongFields(error));
  if (wrong.length > 0 && wrong.every((name) => fields.includes(name))) return null;
  return (
    <Alert color="red" variant="light" role="alert">
      {explain(error)}
      {isProblem(error) && error.status >= 500 && error.request_id ? ` (Request ${error.request_id})` : ""}
    </Alert>
  );
}
