import assert from "node:assert/strict";
import { test } from "node:test";
import { Intake } from "../src/intake";
import { Latencies } from "../src/latency";
import { Model } from "../src/model";
import type { Frame } from "../src/protocol";

const press = { source: "press", category: "heat", unit: null };
const readings = (time: number, history = false): Frame =>
  ({ type: "readings", position: {}, sentAt: time, history, batches: [{ series: press, times: [time], values: [0], publishedAt: [] }] });
const subscribed: Frame = { type: "subscribed", position: {}, recovered: true, gap: false, series: [press] };
const news = {
  onSeries: () => undefined, onAnomalies: () => undefined, onAlerts: () => undefined, onReadings: () => undefined,
  onLag: () => undefined, onMissed: () => undefined,
};

test("a stream that was away marks a gap when it is back; the gateway's own answers do not count as being back", () => {
  Object.assign(globalThis, { document: { hidden: true } });
  const model = new Model();
  const intake = new Intake(model, new Latencies(), news, () => 0);
  const { samples } = model.find(press);
  intake.take({ type: "hello", sessionSeconds: 60 }, 0);
  intake.take(readings(1), 1_000);
  intake.take(readings(2), 9_000);
  assert.equal(samples.length, 2);
  intake.take(subscribed, 17_000);
  intake.take(readings(0, true), 18_000);
  assert.equal(intake.isQuiet(20_000), true);
  intake.take(readings(30), 40_000);
  assert.equal(intake.isQuiet(41_000), false);
  assert.deepEqual(samples.missed(0, 100, 60)?.map(Math.round), [2, 30]);
});

test("after a new connection, which says itself what was missed, no gap is marked", () => {
  const model = new Model();
  const intake = new Intake(model, new Latencies(), news, () => 0);
  intake.take(readings(1), 1_000);
  intake.take({ type: "hello", sessionSeconds: 60 }, 60_000);
  intake.take(readings(2), 61_000);
  assert.equal(model.find(press).samples.missed(0, 100, 60), null);
});

test("when the stream cannot tell what was missed, the page is asked what is the case", () => {
  let missed = 0;
  const intake = new Intake(new Model(), new Latencies(), { ...news, onMissed: () => missed++ }, () => 0);
  intake.take(subscribed, 0);
  intake.take(subscribed, 1);
  assert.equal(missed, 0);
  intake.take({ ...subscribed, recovered: false, gap: true }, 2);
  assert.equal(missed, 1);
});
