import { QueryClient } from "@tanstack/react-query";

import { isProblem } from "./api/problem";

// A request that the server refused will be refused again; one that did not arrive
// may arrive the next time.
export const queries = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: 5_000,
      retry: (failures, error) => failures < 2 && !(isProblem(error) && error.status < 500),
    },
  },
});
