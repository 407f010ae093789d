import { expect, test } from "vitest";

import { deviceInWords } from "./device";

test("browsers are told apart, and programs named as they name themselves", () => {
  expect(deviceInWords("Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/156.0 Safari/537.36")).toBe("Chrome on Linux");
  expect(deviceInWords("Mozilla/5.0 (Macintosh; Intel Mac OS X 14_0) AppleWebKit/605.1 Version/18 Safari/605.1")).toBe("Safari on macOS");
  expect(deviceInWords("marina/1.0")).toBe("marina/1.0");
  expect(deviceInWords("")).toBe("unknown");
});
