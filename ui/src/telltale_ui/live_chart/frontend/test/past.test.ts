import assert from "node:assert/strict";
import { test } from "node:test";
import { Columns } from "../src/columns";
import { Past } from "../src/past";
import { seriesKey } from "../src/protocol";

const press = { source: "press", category: "heat", unit: null };
const point = (at: number, low: number, high: number): object => ({ at: new Date(at * 1000).toISOString(), min: low, max: high });
const answer = { bucket_seconds: 10, series: [{ points: [point(100, 1, 3), point(110, 2, 2), point(200, 5, 6)] }] };
const settled = (past: Past): Promise<void> =>
  new Promise((resolve) => {
    const look = (): void => void (past.isWaiting ? setTimeout(look, 20) : resolve());
    look();
  });

test("a stretch is asked for once, and its buckets are drawn by their extremes with gaps between them", async () => {
  const asked: string[] = [];
  const past = new Past(() => undefined, () => undefined, (url) => {
    asked.push(url);
    return Promise.resolve(answer);
  });
  past.want(press, [100, 300]);
  past.want(press, [100, 300]);
  await settled(past);
  past.want(press, [120, 250]);
  assert.equal(past.isWaiting, false, "a part of what is there is not asked for");
  assert.equal(asked.length, 1);
  assert.match(asked[0]!, /source=press&category=heat/);
  const columns = new Columns();
  assert.equal(past.pour(seriesKey(press), 100, 220, columns), true);
  assert.deepEqual(columns.values, [1, 3, 2, null, 5, 6]);
  assert.equal(past.pour("another", 100, 220, columns), false);
});

test("a finer look is asked for again; what was there stays until then", async () => {
  let asked = 0;
  const past = new Past(() => undefined, () => undefined, () => Promise.resolve({ ...answer, bucket_seconds: ++asked === 1 ? 60 : 1 }));
  past.want(press, [0, 60_000]);
  await settled(past);
  past.want(press, [100, 300]);
  assert.equal(past.isWaiting, true);
  assert.equal(past.pour(seriesKey(press), 100, 220, new Columns()), true);
  await settled(past);
  assert.equal(asked, 2);
});

test("anomalies of the past come once for a stretch", async () => {
  const found: unknown[] = [];
  const past = new Past(() => undefined, (items) => found.push(...items), () => Promise.resolve({ items: [{ kind: "spike" }] }));
  past.wantAnomalies([press], [0, 100]);
  past.wantAnomalies([press], [10, 90]);
  await new Promise((resolve) => setTimeout(resolve, 20));
  assert.deepEqual(found, [{ kind: "spike" }]);
});
