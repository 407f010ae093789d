import { expect, test } from "vitest";

import { auditSearch } from "./search";

test("only what is a search is taken from the address", () => {
  expect(auditSearch({ actor: "ada@example.com", action: "cluster", days: "7", other: "x" })).toEqual({ actor: "ada@example.com", action: "cluster", days: 7 });
  expect(auditSearch({ actor: "", resource: 7, days: -1 })).toEqual({});
  expect(auditSearch({ days: "1e9" })).toEqual({});
});
