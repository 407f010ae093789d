import type { Account } from "../api/client";
import { ClustersIcon, DashboardIcon, InstallationIcon, KeyIcon, MailIcon, NodesIcon, OrganizationIcon } from "../parts/icons";

const operates = (account: Account) => account.operator;

/** Where the navigation leads. An entry is shown to whoever may do something there. */
export const groups = [
  {
    title: "",
    entries: [
      { to: "/", label: "Dashboard", icon: DashboardIcon, shown: () => true },
      { to: "/clusters", label: "Clusters", icon: ClustersIcon, shown: () => true },
    ],
  },
  {
    title: "Organization",
    entries: [
      { to: "/tokens", label: "API tokens", icon: KeyIcon, shown: (account: Account) => account.permissions?.includes("tokens:write") },
    ],
  },
  {
    title: "Operator",
    entries: [
      { to: "/operator", label: "Installation", icon: InstallationIcon, shown: operates },
      { to: "/operator/organizations", label: "Organizations", icon: OrganizationIcon, shown: operates },
      { to: "/operator/clusters", label: "All clusters", icon: ClustersIcon, shown: operates },
      { to: "/operator/nodes", label: "All nodes", icon: NodesIcon, shown: operates },
      { to: "/operator/mails", label: "Mails", icon: MailIcon, shown: operates },
    ],
  },
] as const;
