import type { Member } from "../api/client";

/** The roles, the mightiest first, and what somebody who has one may do. */
export const roles: { value: Member["role"]; label: string; about: string }[] = [
  { value: "owner", label: "Owner", about: "Everything, also owners and the organization itself." },
  { value: "admin", label: "Admin", about: "Everything but owners and deleting the organization." },
  { value: "developer", label: "Developer", about: "Create, use and delete clusters." },
  { value: "viewer", label: "Viewer", about: "Look at clusters and at what runs in them." },
  { value: "billing", label: "Billing", about: "Look at clusters, and pay for them." },
];

/** Those that somebody with a role may give and take. */
export function givenBy(role: string): typeof roles {
  return role === "owner" ? roles : roles.filter((r) => r.value !== "owner");
}

export function labelOf(role: string): string {
  return roles.find((r) => r.value === role)?.label ?? role;
}
