import type { Tone } from "../words/phase";

export function Status({ text, tone }: { text: string; tone: Tone }) {
  return <span className="status" data-tone={tone}>{text}</span>;
}
