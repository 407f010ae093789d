import { describe, expect, test } from "vitest";

import { asCommands, asRequests, quote } from "./command";

const wanted = { name: "shop", version: "1.37", podCIDR: "10.244.0.0/16", serviceCIDR: "10.96.0.0/12", pools: [{ name: "workers", size: "small", count: 2 }] };

describe("what to type instead", () => {
  test("a word with anything special is quoted", () => {
    expect(quote("a-b.c/16")).toBe("a-b.c/16");
    expect(quote("it's; rm")).toBe(`'it'\\''s; rm'`);
    expect(quote("")).toBe("''");
  });
  test("one command for the cluster and one for each pool", () => {
    expect(asCommands(wanted).split("\n")).toEqual([
      "marina clusters create shop --version 1.37 --pod-cidr 10.244.0.0/16 --service-cidr 10.96.0.0/12 --wait",
      "marina pools create shop workers --size small --count 2 --wait",
    ]);
  });
  test("a name that is not there yet has a place", () => {
    expect(asCommands({ ...wanted, name: "" })).toContain("create NAME ");
  });
  test("requests hold the fields of the API", () => {
    expect(asRequests(wanted, "http://localhost:8080")).toContain(`-d '{"name":"workers","size":"small","count":2}'`);
  });
});
