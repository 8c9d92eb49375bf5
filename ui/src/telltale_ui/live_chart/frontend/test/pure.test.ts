import assert from "node:assert/strict";
import { test } from "node:test";
import { backOff } from "../src/connection";
import { formatAge, formatTicks, formatValue } from "../src/format";
import { LatencyWindow } from "../src/latency";
import { Model } from "../src/model";
import { anomaly, decode } from "../src/protocol";

const readings = {
  type: "readings",
  position: { offset: 7, producer: "p", first: 1 },
  sent_at: 2_500_000,
  points: {
    series: [["press-3", "temperature", "°C"], ["press-3", "count", null]],
    index: [1, 0],
    observed_at: [1_000_000, 2_000_000],
    value: [5, 71.5],
    published_at: [1_001_000, 2_001_000],
  },
};

test("readings are decoded from columns, times in seconds", () => {
  const frame = decode(JSON.stringify(readings));
  assert.equal(frame.type, "readings");
  if (frame.type !== "readings") return;
  assert.deepEqual(frame.position, readings.position);
  assert.equal(frame.sentAt, 2.5);
  assert.deepEqual(frame.batches, [
    { series: { source: "press-3", category: "temperature", unit: "°C" }, times: [2], values: [71.5], publishedAt: [2.001] },
    { series: { source: "press-3", category: "count", unit: null }, times: [1], values: [5], publishedAt: [1.001] },
  ]);
});

test("an anomaly of REST is the same as one of the stream, to the microsecond", () => {
  const told = { source: "a", category: "b", unit: null, value: 1, score: 2, expected_low: 0, expected_high: 1, kind: "spike" };
  const streamed = anomaly({ ...told, observed_at: 1_795_467_600_123_456 });
  const stored = anomaly({ ...told, observed_at: "2026-11-23T21:00:00.123456Z", verdict: "confirmed" });
  assert.equal(stored.observedAt, streamed.observedAt);
  assert.deepEqual([streamed.verdict, stored.verdict], [null, "confirmed"]);
});

test("a subscription tells series, position and whether something is missing", () => {
  const series = [["a", "b", "c"], ["a", "d", null]];
  const gap = { from: 1, to: 2 };
  const frame = decode(JSON.stringify({ type: "subscribed", position: null, recovered: false, series, gap }));
  assert.deepEqual(frame, {
    type: "subscribed",
    position: null,
    recovered: false,
    gap: true,
    series: [{ source: "a", category: "b", unit: "c" }, { source: "a", category: "d", unit: null }],
  });
});

test("an unknown frame is ignored, text that is no JSON is an error", () => {
  assert.deepEqual(decode('{"type":"news"}'), { type: "other" });
  assert.throws(() => decode("<html>"));
});

test("percentiles by nearest rank over the newest measurements", () => {
  const window = new LatencyWindow(100);
  assert.equal(window.percentile(0.95), null);
  for (let value = 1; value <= 200; value++) window.add(value);
  assert.equal(window.percentile(0.5), 150);
  assert.equal(window.percentile(0.95), 195);
  assert.equal(window.percentile(1), 200);
});

test("the same reading or anomaly twice counts once", () => {
  const model = new Model();
  const series = { source: "a", category: "b", unit: null };
  const reading = { series, times: [1], values: [2], publishedAt: [] };
  assert.equal(model.addReadings(reading), 1);
  assert.equal(model.addReadings(reading), 0);
  const spike = {
    ...series, observedAt: 1, value: 2, score: 9, expectedLow: 0, expectedHigh: 1, kind: "spike", detector: "d", explanation: "",
    verdict: null,
  };
  assert.equal(model.addAnomaly(spike), true);
  assert.equal(model.addAnomaly(spike), false);
  assert.deepEqual([model.points, model.anomalies], [1, 1]);
});

test("silence is that of series with readings: without any there is none", () => {
  const model = new Model();
  model.find({ source: "a", category: "b", unit: null });
  assert.equal(model.isSilent(100), false);
  model.addReadings({ series: { source: "a", category: "b", unit: null }, times: [1], values: [2], publishedAt: [] });
  assert.deepEqual([model.isSilent(2), model.isSilent(100)], [false, true]);
});

test("of an alert the change with the largest number counts; only one that begins to fire is news", () => {
  const model = new Model();
  const told = (number: number, state: string): boolean =>
    model.addAlert({
      alert: "a1", number, name: "hot", severity: "warning", state, source: "a", category: "b", since: 1, explanation: "",
    }, 1);
  assert.deepEqual([told(1, "pending"), told(2, "firing"), told(2, "firing"), told(1, "pending")], [false, true, false, false]);
  assert.deepEqual(model.alerts.map((one) => one.state), ["firing"]);
  told(3, "resolved");
  assert.deepEqual(model.alerts, []);
});

test("what the page lists is what fires, but for what was told since it was asked for", () => {
  const model = new Model();
  const told = { number: 5, name: "hot", severity: "warning", state: "firing", source: "a", category: "b", since: 1, explanation: "" };
  model.addAlert({ ...told, alert: "over" }, 10);
  model.addAlert({ ...told, alert: "acknowledged" }, 10);
  model.addAlert({ ...told, alert: "new" }, 30);
  model.addAlert({ ...told, alert: "just over", state: "resolved" }, 30);
  const listed = { ...told, number: -1 };
  model.takeAlerts([
    { ...listed, alert: "acknowledged", state: "acknowledged" }, { ...listed, alert: "just over" }, { ...listed, alert: "old" },
  ], 20);
  const shown = (): string[] => model.alerts.map((one) => `${one.alert}: ${one.state}`).sort();
  assert.deepEqual(shown(), ["acknowledged: acknowledged", "new: firing", "old: firing"]);
  assert.equal(model.addAlert({ ...told, alert: "over" }, 40), false, "what is told again is no news");
  model.takeAlerts([], 50);
  assert.deepEqual(shown(), []);
});

test("back-off grows, is jittered and bounded", () => {
  for (let attempt = 0; attempt < 20; attempt++) {
    assert.ok(backOff(attempt, () => 0) >= 200);
    assert.ok(backOff(attempt, () => 1) <= 8_000);
    assert.ok(backOff(attempt, () => 0) < backOff(attempt, () => 1));
  }
});

test("numbers, bytes, axis labels and ages", () => {
  assert.equal(formatValue(71.456, "°C"), "71.46\u202f°C");
  assert.equal(formatValue(-1234567, null), "−1,234,567");
  assert.equal(formatValue(2_500_000, "B/s"), "2.50\u202fMB/s");
  assert.deepEqual(formatTicks([4, 4.2, 4.4], "bar"), ["4.0", "4.2", "4.4"]);
  assert.deepEqual(formatTicks([0, 5e8, 1e9], "B"), ["0.0\u202fGB", "0.5\u202fGB", "1.0\u202fGB"]);
  assert.deepEqual(formatTicks([140, 142.5, 145], "kW"), ["140.0", "142.5", "145.0"]);
  assert.deepEqual(formatTicks([1e16, 2e16], "kW"), ["1.0e16", "2.0e16"]);
  assert.deepEqual([0.44, 14.2, 600, 9000].map(formatAge), ["0.4 s", "14 s", "10 min", "3 h"]);
});

test("numbers too large or too small to write out get a power of ten, zero has no sign", () => {
  assert.equal(formatValue(1.8446744e19, "kW"), "1.84e19\u202fkW");
  assert.equal(formatValue(-1e-9, null), "−1.00e−9");
  assert.equal(formatValue(-0, null), "0");
});
