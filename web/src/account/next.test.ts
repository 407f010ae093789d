import { expect, test } from "vitest";

import { safeNext } from "./next";

test("only paths of the console are followed", () => {
  for (const good of ["/clusters", "/clusters/kc-1/nodes?x=1", "/"]) expect(safeNext(good)).toBe(good);
  for (const bad of ["//evil.example", "/\\evil.example", "https://evil.example", "javascript:alert(1)", "/a\\b", "/\t/evil.example", "clusters", "", 7, undefined]) {
    expect(safeNext(bad)).toBeUndefined();
  }
});
