import { expect, test } from "vitest";

import { keysForShell } from "./keys";

const key = (name: string, ctrlKey = false) => ({ type: "keydown", key: name, ctrlKey, altKey: false, metaKey: false });

test("tab is the shell's, but after Esc it leaves the terminal", () => {
  const shell = keysForShell(() => false);
  expect(shell(key("Tab"))).toBe(true);
  expect(shell(key("Escape"))).toBe(true);
  expect(shell(key("Tab"))).toBe(false);
  expect(shell(key("x"))).toBe(true);
  expect(shell(key("Tab"))).toBe(true);
});

test("after Esc, shift and tab leave backwards", () => {
  const shell = keysForShell(() => false);
  shell(key("Escape"));
  shell(key("Shift"));
  expect(shell(key("Tab"))).toBe(false);
});

test("what is selected is copied, and else the program is interrupted", () => {
  expect(keysForShell(() => true)(key("c", true))).toBe(false);
  expect(keysForShell(() => false)(key("c", true))).toBe(true);
  expect(keysForShell(() => false)(key("v", true))).toBe(false);
});
