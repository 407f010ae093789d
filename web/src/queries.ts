import { QueryCache, QueryClient } from "@tanstack/react-query";

import { isProblem } from "./api/problem";

// A request that the server refused will be refused again; one that did not arrive
// may arrive the next time.
export const queries = new QueryClient({
  queryCache: new QueryCache({
    onError: (error) => {
      // Who was logged in and is not any more, because the session ended, logs in again.
      if (isProblem(error) && error.status === 401 && queries.getQueryData(["account"])) {
        queries.clear();
        location.assign(`/login?next=${encodeURIComponent(location.pathname + location.search)}`);
      }
    },
  }),
  defaultOptions: {
    queries: {
      staleTime: 5_000,
      retry: (failures, error) => failures < 2 && !(isProblem(error) && error.status < 500),
    },
  },
});
