import { expect, test } from "vitest";

import { eventParser } from "./stream";

test("events are found however the network cuts them", () => {
  const text = 'event: cluster\ndata: {"a":1}\n\n:\n\nevent: synced\ndata: {"b":\ndata: 2}\n\ndata: unfin';
  for (const size of [1, 2, 7, 1000]) {
    const told: string[] = [];
    const parse = eventParser((data) => told.push(data));
    for (let i = 0; i < text.length; i += size) parse(text.slice(i, i + size));
    expect(told).toEqual(['{"a":1}', '{"b":\n2}']);
  }
});
