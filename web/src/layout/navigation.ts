import type { Account } from "../api/client";
import { AuditIcon, ClustersIcon, DashboardIcon, InstallationIcon, KeyIcon, MailIcon, NodesIcon, OrganizationIcon, SettingsIcon } from "../parts/icons";

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
      { to: "/members", label: "Members", icon: OrganizationIcon, shown: (account: Account) => account.permissions?.includes("members:read") },
      { to: "/tokens", label: "API tokens", icon: KeyIcon, shown: (account: Account) => account.permissions?.includes("tokens:write") },
      { to: "/audit", label: "Audit log", icon: AuditIcon, shown: (account: Account) => account.permissions?.includes("audit:read") },
      { to: "/organization", label: "Settings", icon: SettingsIcon, shown: (account: Account) => account.organization_id !== "" },
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
