import assert from "node:assert/strict";
import { test } from "node:test";
import { Samples } from "../src/samples";

const filled = (times: number[], capacity = 100): Samples => {
  const samples = new Samples(capacity);
  for (const time of times) samples.add(time, time * 10);
  return samples;
};

const held = (samples: Samples): number[] => Array.from({ length: samples.length }, (_, row) => samples.time(row));

test("a full ring forgets its oldest readings", () => {
  assert.deepEqual(held(filled([1, 2, 3, 4, 5], 3)), [3, 4, 5]);
});

test("a ring grows to its limit without losing or mixing readings", () => {
  const samples = new Samples(3_000);
  for (let time = 0; time < 5_000; time++) samples.add(time, time * 10);
  assert.equal(samples.length, 3_000);
  assert.equal(samples.time(0), 2_000);
  assert.deepEqual(samples.last, { time: 4_999, value: 49_990 });
});

test("any order of arrival ends in order of time, each instant once", () => {
  for (let round = 0; round < 300; round++) {
    const capacity = 1 + Math.floor(Math.random() * 8);
    const times = Array.from({ length: 20 }, () => Math.floor(Math.random() * 30));
    const samples = filled(times, capacity);
    const kept = held(samples);
    assert.deepEqual(kept, [...new Set(kept)].sort((a, b) => a - b), `arrival ${times}, capacity ${capacity}`);
    assert.ok(kept.length <= capacity);
    assert.equal(Math.max(...kept), Math.max(...times));
    kept.forEach((time, row) => assert.equal(samples.value(row), time * 10));
  }
});

test("a reading for a known instant replaces it and is not new", () => {
  const samples = filled([1, 2, 3]);
  assert.equal(samples.add(2, 99), false);
  assert.deepEqual(samples.columns(0, 10).values, [10, 99, 30]);
});

test("a pause of more than three usual intervals is a gap, one of three is not", () => {
  const samples = filled([0, 1, 2, 3, 4, 7, 11]);
  assert.deepEqual(samples.columns(0, 20), {
    times: [0, 1, 2, 3, 4, 7, 9, 11],
    values: [0, 10, 20, 30, 40, 70, null, 110],
  });
});

test("a marked gap breaks the line and is no reading", () => {
  const samples = filled([0, 1, 2]);
  samples.markGap();
  samples.markGap();
  samples.add(3, 30);
  assert.deepEqual(samples.columns(0, 5).values, [0, 10, 20, null, 30]);
  assert.deepEqual(samples.last, { time: 3, value: 30 });
});

test("the line reaches one reading beyond each end of the view", () => {
  assert.deepEqual(filled([0, 1, 2, 3, 4, 5]).columns(1.5, 3.5).times, [1, 2, 3, 4]);
});

test("thinning keeps the extremes and the gaps", () => {
  const samples = new Samples(20_000);
  for (let second = 0; second < 10_000; second++) {
    if (second < 6_000 || second > 7_000) samples.add(second, second === 1234 ? 500 : Math.sin(second));
  }
  const { times, values } = samples.columns(0, 10_000, 400);
  assert.ok(times.length <= 420);
  assert.ok(values.includes(500));
  assert.equal(values.filter((one) => one === null).length, 1);
  assert.deepEqual(times, [...times].sort((a, b) => a - b));
});

test("the value before an instant", () => {
  const samples = filled([1, 2, 3]);
  assert.equal(samples.valueBefore(2), 20);
  assert.equal(samples.valueBefore(99), 30);
  assert.equal(new Samples().valueBefore(1), null);
});
