import type { Account } from "../api/client";
import { ClustersIcon, KeyIcon } from "../parts/icons";

/** Where the navigation leads. An entry is shown to whoever may do something there. */
export const groups = [
  {
    title: "",
    entries: [
      { to: "/clusters", label: "Clusters", icon: ClustersIcon, shown: () => true },
    ],
  },
  {
    title: "Organization",
    entries: [
      { to: "/tokens", label: "API tokens", icon: KeyIcon, shown: (account: Account) => account.permissions?.includes("tokens:write") },
    ],
  },
] as const;
