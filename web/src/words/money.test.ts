import { describe, expect, test } from "vitest";

import type { Options } from "../api/client";
import { estimate, money } from "./money";

const options: Options = {
  versions: [], max_pool_count: 100, currency: "EUR",
  control_plane_price: { hour: "0.02", month: "13.44" },
  sizes: [
    { name: "small", cpus: 1, memory_mib: 1024, disk_gib: 10, price: { hour: "0.01", month: "6.72" } },
    { name: "free", cpus: 1, memory_mib: 1024, disk_gib: 10, price: null as never },
  ],
};

describe("estimate", () => {
  test("control plane and nodes are added up", () => {
    expect(estimate(options, [], "month")).toBeCloseTo(13.44);
    expect(estimate(options, [{ size: "small", count: 3 }, { size: "small", count: 0 }], "hour")).toBeCloseTo(0.05);
  });
  test("what has no price has no sum", () => {
    expect(estimate(options, [{ size: "free", count: 1 }], "hour")).toBeUndefined();
    expect(estimate(options, [{ size: "unknown", count: 1 }], "hour")).toBeUndefined();
  });
});

test("money is written with its currency", () => {
  expect(money(13.44, "EUR", 2)).toContain("13.44");
});
