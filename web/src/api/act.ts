import { useQueryClient } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";

import { chooseOrganization, forgetOrganization } from "./organization";

/** Goes on in another organization; without one, in whichever the server takes. */
export function useActIn(): (id?: string) => Promise<void> {
  const queries = useQueryClient();
  const navigate = useNavigate();
  return async (id) => {
    if (id) chooseOrganization(id);
    else forgetOrganization();
    await navigate({ to: "/" });
    await queries.resetQueries();
  };
}
