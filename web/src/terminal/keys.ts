interface Key {
  type: string;
  key: string;
  ctrlKey: boolean;
  altKey: boolean;
  metaKey: boolean;
}

/**
 * Decides which keys the browser gets and not the shell. A shell wants Tab, but whoever
 * has no pointer must get out of the terminal: by Esc, then Tab. Ctrl+C copies while
 * something is selected, and Ctrl+V pastes.
 */
export function keysForShell(selected: () => boolean): (e: Key) => boolean {
  let leaving = false;
  return (e) => {
    if (e.type !== "keydown") return true;
    if (e.key === "Tab" && leaving) return false;
    if (e.key === "Shift") return true; // Esc, then Shift+Tab leaves backwards
    leaving = e.key === "Escape";
    const control = e.ctrlKey && !e.altKey && !e.metaKey;
    if (control && e.key === "c") return !selected();
    return !(control && e.key === "v");
  };
}

/** What a phone's keyboard lacks. */
export const extraKeys = [
  { name: "Tab", sends: "\t" },
  { name: "Ctrl+C", sends: "\u0003" },
  { name: "Esc", sends: "\u001b" },
  { name: "↑", label: "Up", sends: "\u001b[A" },
  { name: "↓", label: "Down", sends: "\u001b[B" },
];
