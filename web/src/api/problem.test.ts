import { describe, expect, test } from "vitest";

import { explain, wrongFields, type Problem } from "./problem";

const refused: Problem = {
  type: "about:blank", title: "Unprocessable Entity", status: 422, code: "invalid", detail: "The request is not valid.",
  errors: [
    { location: "body.name", message: "is required" },
    { location: "body.name", message: "is too short" },
    { location: "body.taints[0].key", message: "must be a label." },
  ],
};

describe("problems", () => {
  test("each wrong field is told once, as a sentence", () => {
    expect(wrongFields(refused)).toEqual({ name: "Is required.", "taints[0].key": "Must be a label." });
  });
  test("a name that is taken is wrong, too", () => {
    expect(wrongFields({ ...refused, status: 409, code: "pool_name_taken", detail: "Choose another name.", errors: [] })).toEqual({ name: "Choose another name." });
  });
  test("what is no problem has no wrong fields", () => {
    expect(wrongFields(new TypeError("network"))).toEqual({});
  });
  test("a mistake of the console is not blamed on the connection", () => {
    expect(explain(new Error("tab without a value"))).toContain("console itself");
  });
  test("the server's words are shown, and others where it does not answer", () => {
    expect(explain(refused)).toBe(refused.detail);
    expect(explain(new TypeError("network"))).toContain("does not answer");
  });
});
