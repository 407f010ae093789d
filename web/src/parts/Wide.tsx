import type { ReactNode } from "react";

/** Holds what may be wider than a phone: it is scrolled by itself, with keys, too. */
export function Wide({ label, children }: { label: string; children: ReactNode }) {
  return <section className="scroll" tabIndex={0} aria-label={label}>{children}</section>;
}
