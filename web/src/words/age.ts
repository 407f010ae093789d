const second = 1000;
const minute = 60 * second;
const hour = 60 * minute;
const day = 24 * hour;
const year = 365 * day;

/** How long ago something was, as kubectl says it: "45s", "3m12s", "2h", "5d". */
export function age(at: string, now: number): string {
  const past = Math.max(0, now - Date.parse(at));
  const both = (large: number, letter: string, small: number, next: string) => {
    const rest = Math.floor((past % large) / small);
    return Math.floor(past / large) + letter + (rest > 0 ? rest + next : "");
  };
  if (past < 2 * minute) return `${Math.floor(past / second)}s`;
  if (past < 10 * minute) return both(minute, "m", second, "s");
  if (past < 3 * hour) return `${Math.floor(past / minute)}m`;
  if (past < 8 * hour) return both(hour, "h", minute, "m");
  if (past < 2 * day) return `${Math.floor(past / hour)}h`;
  if (past < 8 * day) return both(day, "d", hour, "h");
  if (past < 2 * year) return `${Math.floor(past / day)}d`;
  return both(year, "y", day, "d");
}
