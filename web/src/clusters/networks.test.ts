import { expect, test } from "vitest";

import { holds, locksOut } from "./networks";

test.each([
  ["203.0.113.0/24", "203.0.113.255", true],
  ["203.0.113.0/24", "203.0.114.0", false],
  ["203.0.113.128/25", "203.0.113.127", false],
  ["203.0.113.128/25", "203.0.113.200", true],
  ["10.0.0.0/9", "10.127.255.255", true],
  ["10.0.0.0/9", "10.128.0.0", false],
  ["0.0.0.0/0", "203.0.113.1", true],
  ["0.0.0.0/0", "2001:db8::1", false],
  ["203.0.113.7", "203.0.113.7", true],
  [" 203.0.113.7 ", "203.0.113.8", false],
  ["2001:db8::/48", "2001:db8:0:ffff::1", true],
  ["2001:db8::/48", "2001:db8:1::1", false],
  ["2001:DB8::7", "2001:db8:0:0:0:0:0:7", true],
  ["::1", "127.0.0.1", false],
  ["::/0", "::1", true],
])("%s holds %s: %s", (network, address, want) => expect(holds(network, address)).toBe(want));

test.each(["", "a", "203.0.113", "203.0.113.256", "203.0.113.0/33", "203.0.113.0/", "203.0.113.0/24/1", "1:2:3", "1::2::3", "::/129", "203.0.113.0/x"])(
  "%j is no network", (network) => expect(holds(network, "203.0.113.1")).toBeUndefined(),
);

test("who is locked out", () => {
  expect(locksOut([], "203.0.113.1")).toBe(false);
  expect(locksOut(["203.0.113.0/24"], "203.0.113.1")).toBe(false);
  expect(locksOut(["198.51.100.0/24", "2001:db8::/48"], "203.0.113.1")).toBe(true);
  expect(locksOut(["198.51.100.0/24", "half a netw"], "203.0.113.1")).toBe(false);
});
