import { expect, test } from "vitest";

import { podTone } from "./pod";

test("a pod's status is good, to wait for, over or bad", () => {
  const of = (status: string, ready = "1/1") => podTone({ status, ready });
  expect(of("Running")).toBe("good");
  expect(of("Running", "1/2")).toBe("wait");
  expect(of("Init:0/2", "0/1")).toBe("wait");
  expect(of("Init:CrashLoopBackOff", "0/1")).toBe("bad");
  expect(of("Completed", "0/1")).toBe("none");
  expect(of("ImagePullBackOff", "0/1")).toBe("bad");
});
