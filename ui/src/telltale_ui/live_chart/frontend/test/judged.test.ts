import assert from "node:assert/strict";
import { test } from "node:test";
import { Judged } from "../src/judged";

const at = (observedAt: number): Parameters<Judged["give"]>[0] => ({
  source: "a", category: "b", unit: null, observedAt, value: 2, score: 9, expectedLow: 0, expectedHigh: 1, kind: "spike",
  detector: "d", explanation: "", verdict: null,
});

test("every message tells all verdicts that are not settled, so that none is lost with a message", () => {
  const judged = new Judged();
  judged.settle(7);
  judged.give(at(1), "confirmed");
  judged.give(at(2), "dismissed");
  judged.give(at(3), null);
  assert.deepEqual(judged.unsettled.map((one) => [one.number, one.verdict]), [[8, "confirmed"], [9, "dismissed"], [10, null]]);
  judged.settle(8);
  assert.deepEqual([judged.of(at(1)), judged.of(at(2)), judged.of(at(3))], [undefined, "dismissed", null]);
  judged.settle(10);
  assert.deepEqual(judged.unsettled, []);
});
