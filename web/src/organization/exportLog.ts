import { organizationHeader } from "../api/organization";
import { auditParameters } from "./queries";
import type { AuditSearch } from "./search";

/** Gets the log as a file, of the organization in which this tab acts. */
export async function exportLog(search: AuditSearch, format: "csv" | "jsonl"): Promise<string> {
  const query = new URLSearchParams({ format });
  for (const [name, value] of Object.entries(auditParameters(search))) if (value) query.set(name, value);
  const answer = await fetch(`/v1/audit/export?${query}`, { headers: organizationHeader() });
  if (!answer.ok) throw await answer.json();
  return answer.text();
}
