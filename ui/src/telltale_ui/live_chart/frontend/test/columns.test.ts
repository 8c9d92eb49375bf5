import assert from "node:assert/strict";
import { test } from "node:test";
import { Columns, pour } from "../src/columns";
import { Samples } from "../src/samples";

const filled = (times: number[]): Samples => {
  const samples = new Samples();
  for (const time of times) samples.addAll([time], [time * 10]);
  return samples;
};

const poured = (samples: Samples, from: number, to: number, pixel = 0.001): Columns => {
  const columns = new Columns();
  pour(samples, from, to, pixel, columns);
  return columns;
};

test("a pause of more than three usual intervals is a gap, one of three is not", () => {
  const columns = poured(filled([0, 1, 2, 3, 4, 5, 6, 7, 8, 11, 15]), 0, 20);
  assert.deepEqual(columns.times, [0, 1, 2, 3, 4, 5, 6, 7, 8, 11, 13, 15]);
  assert.deepEqual(columns.values.slice(-3), [110, null, 150]);
  assert.deepEqual(columns.gaps, [{ from: 11, to: 15, reason: "no readings" }]);
});

test("a marked gap breaks the line however short it is", () => {
  const samples = filled([0, 1, 2]);
  samples.markGap();
  samples.addAll([3], [30]);
  assert.deepEqual(poured(samples, 0, 5).values, [0, 10, 20, null, 30]);
  assert.equal(poured(samples, 0, 5).gaps[0]?.reason, "not received");
});

test("a marked gap is filled with what others know, and stays a gap where they know nothing", () => {
  const samples = filled([0, 1, 2]);
  samples.markGap();
  samples.addAll([30], [300]);
  const columns = new Columns();
  pour(samples, 0, 40, 0.001, columns, (from, to, into) => {
    assert.ok(from >= 2 && to === 30);
    into.add(10, 100);
    return "filled";
  });
  assert.deepEqual(columns.values, [0, 10, 20, 100, 300]);
});

test("a pause is filled with what others know, too; one without readings is none for being marked", () => {
  const pause = filled([0, 1, 2, 30, 31]);
  const columns = new Columns();
  pour(pause, 0, 40, 0.001, columns, (from, to, into, isBetween) => {
    assert.deepEqual([from, to, isBetween], [2, 30, true]);
    into.add(10, 100);
    return "filled";
  });
  assert.deepEqual(columns.values, [0, 10, 20, 100, 300, 310]);
  const marked = filled([0, 1, 2]);
  marked.markGap();
  marked.addAll([3, 4], [30, 40]);
  const known = new Columns();
  pour(marked, 0, 40, 0.001, known, () => "empty");
  assert.deepEqual([known.values, known.gaps], [[0, 10, 20, 30, 40], []]);
});

test("what lies before the oldest reading is asked of others", () => {
  const asked: number[][] = [];
  pour(filled([10, 11, 12]), 0, 20, 0.001, new Columns(), (from, to) => {
    asked.push([from, to]);
    return "empty";
  });
  pour(filled([10, 11, 12]), 11, 20, 0.001, new Columns(), (from, to) => {
    asked.push([from, to]);
    return "empty";
  });
  assert.deepEqual(asked, [[0, 10]]);
});

test("the line reaches one reading beyond each end of the view", () => {
  assert.deepEqual(poured(filled([0, 1, 2, 3, 4, 5]), 1.5, 3.5).times, [1, 2, 3, 4]);
});

test("thinning keeps the extremes and the gaps, and invents none", () => {
  const samples = new Samples(20_000);
  for (let second = 0; second < 10_000; second++) {
    if (second < 6_000 || second > 7_000) samples.addAll([second], [second === 1234 ? 500 : Math.sin(second)]);
  }
  const { times, values, gaps } = poured(samples, 0, 10_000, 50);
  assert.ok(times.length <= 420);
  assert.ok(values.includes(500));
  assert.equal(values.filter((one) => one === null).length, 1);
  assert.deepEqual(gaps, [{ from: 5_999, to: 7_001, reason: "no readings" }]);
  assert.deepEqual(times, [...times].sort((a, b) => a - b));
});

test("what is drawn of a pixel does not change while the view moves on", () => {
  const samples = new Samples(20_000);
  for (let row = 0; row < 9_000; row++) samples.addAll([row / 20], [Math.sin(row * 1.7)]);
  const inside = (columns: Columns): string =>
    columns.times.flatMap((time, place) => (time > 100 && time < 300 ? [`${time}:${columns.values[place]}`] : [])).join();
  assert.equal(inside(poured(samples, 50, 350, 0.75)), inside(poured(samples, 50.4, 350.4, 0.75)));
});
