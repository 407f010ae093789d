/** What of the audit log is asked for; what is absent asks for nothing. */
export interface AuditSearch {
  actor?: string;
  action?: string;
  resource?: string;
  days?: number;
}

/** The search in the address of the page, without what is no search. */
export function auditSearch(search: Record<string, unknown>): AuditSearch {
  const found: AuditSearch = {};
  for (const name of ["actor", "action", "resource"] as const) {
    const value = search[name];
    if (typeof value === "string" && value !== "") found[name] = value;
  }
  const days = Number(search.days);
  if (Number.isInteger(days) && days > 0 && days <= 3660) found.days = days;
  return found;
}
