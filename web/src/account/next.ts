/**
 * Where to go after logging in: a path of this console, or nothing. Whatever a
 * browser could take for another site (//host, /\host, a scheme) is nothing.
 */
export function safeNext(next: unknown): string | undefined {
  return typeof next === "string" && /^\/(?![/\\])[^\\\s]*$/.test(next) ? next : undefined;
}
