import assert from "node:assert/strict";
import { test } from "node:test";
import { csvOf } from "../src/csv";
import { LiveSeries } from "../src/model";
import { limitOf, missing } from "../src/needs";
import { Samples } from "../src/samples";
import { narrowed, shifted, View, widened } from "../src/view";

test("the view follows the present, holds while somebody looks, and goes on", () => {
  let now = 1_000;
  const view = new View(300, null, () => now);
  assert.deepEqual(view.stretch(null, 60), [700, 1_000]);
  view.hover(true);
  now = 1_010;
  assert.deepEqual([view.isHeld, ...view.stretch(null, 60)], [true, 700, 1_000]);
  view.lock();
  view.hover(false);
  now = 1_020;
  assert.deepEqual(view.stretch(null, 60), [700, 1_000], "a click keeps it where hovering had stopped it");
  view.resume();
  assert.deepEqual([view.isHeld, ...view.stretch(null, 60)], [false, 720, 1_020]);
});

test("a zoom shows its stretch; so does one that the page asks for, until it asks for another", () => {
  const view = new View(300, [10, 20], () => 1_000);
  assert.deepEqual(view.stretch(null, 60), [10, 20]);
  view.zoomTo([12, 14]);
  assert.deepEqual(view.stretch(null, 60), [12, 14]);
  view.show(60, null);
  assert.deepEqual([view.isHeld, ...view.stretch(null, 60)], [false, 940, 1_000]);
});

test("no chart is mostly empty: the range begins with the oldest reading, but is never too short", () => {
  const view = new View(300, null, () => 1_000);
  assert.deepEqual(view.stretch(850, 60), [850, 1_000]);
  assert.deepEqual(view.stretch(995, 60), [940, 1_000]);
});

test("zooming out stops at the present, moving on too", () => {
  assert.deepEqual(widened([80, 100], 105), [70, 105]);
  assert.deepEqual(narrowed([60, 100]), [70, 90]);
  assert.deepEqual(shifted([80, 100], 0.5, 103), [83, 103]);
  assert.deepEqual(shifted([80, 100], -0.5, 103), [70, 90]);
});

test("the past is needed where a series has no readings of its own, and only there", () => {
  const samples = new Samples();
  for (let time = 100; time <= 200; time++) samples.addAll([time], [0]);
  assert.deepEqual(missing(samples, [110, 200], 0, 200), []);
  assert.deepEqual(missing(samples, [0, 200], 0, 200), [[0, 100]]);
  assert.deepEqual(missing(samples, [0, 50], 0, 200), [[0, 50]]);
  samples.addAll([260], [0]);
  assert.deepEqual(missing(samples, [150, 300], 0, 300), [[200, 260]], "a pause");
  assert.deepEqual(missing(samples, [150, 262], 0, 262), [], "what was missed a moment ago is not stored yet");
  samples.markGap();
  samples.addAll([261], [0]);
  assert.deepEqual(missing(samples, [0, 300], 0, 300), [[0, 100], [200, 261]], "all gaps at once");
});

test("a series that is silent for hours, or pauses all the time, is asked for once in a while", () => {
  const asked = (samples: Samples, from: number): number => {
    const needs = Array.from({ length: 60 }, (_, second) => missing(samples, [from, 10_000], 0, 9_900 + second));
    return new Set(needs.flat().map(([, to]) => to)).size;
  };
  assert.ok(asked(new Samples(), 9_600) <= 2);
  const bursts = new Samples();
  for (let second = 9_600; second < 10_000; second++) for (let part = 0; part < 5; part++) bursts.addAll([second + part / 20], [0]);
  assert.ok(asked(bursts, 9_600) <= 7);
});

test("readings are kept as long as they are shown; of a long range an hour, cut in steps", () => {
  assert.equal(limitOf(300, 10_000), 10_000 - 360);
  assert.equal(limitOf(86_400, 100_000), limitOf(86_400, 100_100));
  assert.ok(limitOf(86_400, 100_000) <= 100_000 - 3_600);
});

test("the file has the readings in view, exact to the microsecond, and no gap marks", () => {
  const series = new LiveSeries({ source: 'press "3"', category: "a,b", unit: null });
  series.samples.addAll([1_795_467_600.000001, 1_795_467_601.5], [0.1, 2]);
  series.samples.markGap();
  series.samples.addAll([1_795_467_700], [3]);
  const text = csvOf([series], [1_795_467_600, 1_795_467_650]);
  assert.equal(text, [
    "source,category,observed_at,value,unit",
    '"press ""3""","a,b",2026-11-23T21:00:00.000001Z,0.1,',
    '"press ""3""","a,b",2026-11-23T21:00:01.500000Z,2,',
    "",
  ].join("\r\n"));
});
