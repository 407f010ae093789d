import { expect, test } from "vitest";

import { append, noLines } from "./lines";

test("lines are whole however the network cuts them", () => {
  const text = "one\ntwo\n\nthr";
  for (const size of [1, 2, 5, 100]) {
    let lines = noLines;
    for (let i = 0; i < text.length; i += size) lines = append(lines, text.slice(i, i + size));
    expect(lines).toEqual({ whole: ["one", "two", ""], rest: "thr", count: 3 });
  }
});

test("the newest lines are kept, and no line is longer than can be shown", () => {
  const many = append(noLines, Array.from({ length: 6000 }, (_, n) => `line ${n}\n`).join(""));
  expect(many.whole).toHaveLength(5000);
  expect(many.whole.at(-1)).toBe("line 5999");
  expect(many.count).toBe(6000);
  expect(append(noLines, "x".repeat(1 << 20)).rest.length).toBeLessThan(1 << 15);
});
