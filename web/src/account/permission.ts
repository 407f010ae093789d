import { useSuspenseQuery } from "@tanstack/react-query";

import type { Account } from "../api/client";
import { accountQuery } from "../api/queries";

type Permission = NonNullable<Account["permissions"]>[number];

/** Whether one may do something here. The server decides; this only hides what it would refuse. */
export function usePermission(permission: Permission): boolean {
  const { data: account } = useSuspenseQuery(accountQuery);
  return account.permissions?.includes(permission) ?? false;
}
