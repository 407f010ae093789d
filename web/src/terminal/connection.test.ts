import { expect, test } from "vitest";

import { whyEnded } from "./connection";

test("the server's reason is told, and else what happened to the connection", () => {
  expect(whyEnded({ reason: "The terminal has ended." }, true)).toBe("The terminal has ended.");
  expect(whyEnded({ reason: "" }, true)).toContain("was lost");
  expect(whyEnded({ reason: "" }, false)).toContain("could be opened");
});
