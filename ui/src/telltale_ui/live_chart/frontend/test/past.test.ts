import assert from "node:assert/strict";
import { test } from "node:test";
import { Columns } from "../src/columns";
import { LiveSeries, Model } from "../src/model";
import { Past } from "../src/past";
import { seriesKey } from "../src/protocol";
import { ShownRange } from "../src/range";
import { View } from "../src/view";

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
  const past = new Past(() => undefined, () => undefined, () => 10_000, (url) => {
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
  assert.equal(past.pour(seriesKey(press), 100, 220, columns, 0, false), "filled");
  assert.deepEqual(columns.values, [1, 3, 2, null, 5, 6]);
  assert.equal(past.pour("another", 100, 220, columns, 0, false), "unknown");
});

test("a finer look is asked for again; what was there stays until then", async () => {
  let asked = 0;
  const past = new Past(() => undefined, () => undefined, () => 100_000, () => Promise.resolve({ ...answer, bucket_seconds: ++asked === 1 ? 60 : 1 }));
  past.want(press, [0, 60_000]);
  await settled(past);
  past.want(press, [100, 300]);
  assert.equal(past.isWaiting, true);
  assert.equal(past.pour(seriesKey(press), 100, 220, new Columns(), 0, false), "filled");
  await settled(past);
  assert.equal(asked, 2);
});

test("between two readings the line breaks behind the first, and what REST knew too early may still come", async () => {
  let now = 130;
  const past = new Past(() => undefined, () => undefined, () => now, () => Promise.resolve(answer));
  past.want(press, [95, 125]);
  await settled(past);
  const early = new Columns();
  assert.equal(past.pour(seriesKey(press), 60, 125, early, 0, true), "filled");
  assert.deepEqual(early.values, [null, 1, 3, 2]);
  assert.deepEqual(early.gaps, [{ from: 60, to: 100, reason: "not received" }]);
  assert.equal(past.pour(seriesKey(press), 100, 110, new Columns(), 0, true), "unknown", "buckets with a known reading");
  now = 1_000;
  past.want(press, [60, 125]);
  await settled(past);
  const late = new Columns();
  past.pour(seriesKey(press), 60, 125, late, 0, true);
  assert.equal(late.gaps[0]?.reason, "no readings");
  assert.equal(past.pour(seriesKey(press), 61, 99, new Columns(), 0, true), "empty");
  assert.equal(past.pour(seriesKey(press), 61, 79, new Columns(), 0, true), "unknown", "too short for a bucket of its own");
});

test("a recent stretch is asked for again while the store may be behind, and then no more", async () => {
  let now = 1_005;
  const asked: number[] = [];
  const past = new Past(() => undefined, () => undefined, () => now, () => {
    asked.push(now - 1_000);
    return Promise.resolve({ ...answer, series: [] });
  });
  for (; now < 5_000; now += now < 1_100 ? 5 : 100) {
    past.want(press, [900, 1_000]);
    await settled(past);
  }
  assert.deepEqual(asked, [5, 25, 200]);
});

test("what nobody shows any more is not waited for", () => {
  const past = new Past(() => undefined, () => undefined, () => 1_000, () => Promise.reject(new Error("away")));
  past.want(press, [0, 100]);
  past.dropOthers([press]);
  assert.equal(past.isWaiting, true);
  past.dropOthers([]);
  assert.equal(past.isWaiting, false);
  past.close();
});

test("a long range is shown again after a look at a part of it, without being asked for again", async () => {
  const now = 100_000;
  const series = new LiveSeries(press);
  series.samples.addAll([99_000, 99_990], [1, 1]);
  const asked: string[] = [];
  const past = new Past(() => undefined, () => undefined, () => now, (url) => {
    asked.push(url);
    const from = Date.parse(new URLSearchParams(url.slice(url.indexOf("?"))).get("from")!) / 1_000;
    return Promise.resolve({ bucket_seconds: from === 60_000 ? 1 : 86, series: [{ points: [point(from + 86, 1, 1)] }] });
  });
  const view = new View(86_400, null, () => now);
  const range = new ShownRange(view, new Model(), past, () => [series]);
  range.keepUp(now);
  await settled(past);
  const whole = range.stretch;
  view.zoomTo([60_000, 63_600]);
  range.keepUp(now);
  await settled(past);
  const timeseries = asked.filter((url) => url.includes("timeseries")).length;
  view.resume();
  assert.deepEqual(range.stretch, whole);
  range.keepUp(now);
  assert.equal(past.isWaiting, false);
  assert.equal(timeseries, 2);
});

test("anomalies of the past come once for a stretch of a series; who chooses another one gets its, too", async () => {
  const asked: string[] = [];
  const found: unknown[] = [];
  const spike = { kind: "spike", observed_at: new Date(50_000).toISOString() };
  let next_cursor: string | null = null;
  const past = new Past(() => undefined, (items) => found.push(...items), () => 10_000, (url) => {
    asked.push(url);
    return Promise.resolve({ items: [spike], next_cursor });
  });
  const pump = { source: "pump", category: "flow", unit: null };
  past.wantAnomalies([press], [0, 100]);
  past.wantAnomalies([press], [10, 90]);
  await new Promise((resolve) => setTimeout(resolve, 20));
  assert.deepEqual(found, [spike]);
  next_cursor = "more";
  past.wantAnomalies([press, pump], [10, 90]);
  past.wantAnomalies([press, pump], [10, 90]);
  await new Promise((resolve) => setTimeout(resolve, 20));
  assert.equal(asked.length, 2);
  assert.match(asked[1]!, /source=pump&category=flow/);
  assert.deepEqual([past.lacksAnomalies([press], 0), past.lacksAnomalies([pump, press], 0)], [false, true]);
  assert.equal(past.lacksAnomalies([pump], 60), false, "all since then were told");
  past.wantAnomalies([pump], [10, 30]);
  assert.equal(asked.length, 3, "what was cut off is told to who looks closer");
});
