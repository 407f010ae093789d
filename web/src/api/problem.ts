import type { components } from "./schema";

export type Problem = components["schemas"]["Problem"];

export function isProblem(error: unknown): error is Problem {
  return typeof error === "object" && error !== null && "code" in error && "detail" in error;
}

/** What to tell a person about an error, whatever it is. */
export function explain(error: unknown): string {
  if (isProblem(error)) return error.detail;
  if (error instanceof TypeError) return "Marina does not answer. Check your connection, and try again.";
  return "The console itself failed. Load the page again; if that does not help, report what you did.";
}

/** What is good by itself, and somebody has it already: the field that must change. */
const takenField: Record<string, string> = { cluster_name_taken: "name", pool_name_taken: "name", email_taken: "email" };

/** The wrong fields of a body by name, as in name or taints[0].key. */
export function wrongFields(error: unknown): Record<string, string> {
  const wrong: Record<string, string> = {};
  if (!isProblem(error)) return wrong;
  const taken = takenField[error.code];
  if (taken) wrong[taken] = error.detail;
  for (const { location, message } of error.errors ?? []) {
    wrong[location.replace(/^body\./, "")] ??= sentence(message);
  }
  return wrong;
}

/** A field's complaint stands below the field's name: "is required" → "Is required." */
function sentence(message: string): string {
  return message.charAt(0).toUpperCase() + message.slice(1) + (/[.!?]$/.test(message) ? "" : ".");
}
