/** How many lines a page keeps: older ones are in the download. */
const most = 5000;
/** How long one line may become that does not end. */
const longest = 16 << 10;

/** The newest lines of a log, of what came in pieces. */
export interface Lines {
  whole: string[];
  rest: string;
  /** How many lines came since the log was opened. */
  count: number;
}

export const noLines: Lines = { whole: [], rest: "", count: 0 };

export function append({ whole, rest, count }: Lines, text: string): Lines {
  const pieces = (rest + text).split("\n");
  const left = (pieces.pop() ?? "").slice(0, longest);
  return { whole: [...whole, ...pieces].slice(-most), rest: left, count: count + pieces.length };
}
