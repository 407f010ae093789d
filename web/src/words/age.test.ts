import { expect, test } from "vitest";

import { age } from "./age";

test("ages are those of kubectl", () => {
  const now = Date.parse("2026-11-27T12:00:00Z");
  const cases: [string, string][] = [
    ["2026-11-27T12:00:03Z", "0s"],
    ["2026-11-27T11:58:15Z", "105s"],
    ["2026-11-27T11:56:48Z", "3m12s"],
    ["2026-11-27T11:55:00Z", "5m"],
    ["2026-11-27T10:01:00Z", "119m"],
    ["2026-11-27T08:30:00Z", "3h30m"],
    ["2026-11-26T20:00:00Z", "16h"],
    ["2026-11-24T09:00:00Z", "3d3h"],
    ["2026-10-27T12:00:00Z", "31d"],
    ["2023-11-26T12:00:00Z", "3y2d"],
  ];
  for (const [at, want] of cases) expect(age(at, now)).toBe(want);
});
