import assert from "node:assert/strict";
import { test } from "node:test";
import { Samples } from "../src/samples";

const filled = (times: number[], capacity = 100): Samples => {
  const samples = new Samples(capacity);
  for (const time of times) samples.addAll([time], [time * 10]);
  return samples;
};

const held = (samples: Samples): number[] => Array.from({ length: samples.length }, (_, row) => samples.time(row));

test("a full ring forgets its oldest readings", () => {
  assert.deepEqual(held(filled([1, 2, 3, 4, 5], 3)), [3, 4, 5]);
});

test("a ring grows to its limit without losing or mixing readings", () => {
  const samples = new Samples(3_000);
  for (let time = 0; time < 5_000; time++) samples.addAll([time], [time * 10]);
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

test("readings in batches end like readings one by one, and as many are new", () => {
  for (let round = 0; round < 300; round++) {
    const capacity = 1 + Math.floor(Math.random() * 12);
    const one = new Samples(capacity);
    const many = new Samples(capacity);
    for (let batch = 0; batch < 3; batch++) {
      const times = Array.from({ length: 6 }, () => Math.floor(Math.random() * 30));
      const sorted = [...times].sort((a, b) => a - b);
      const fresh = sorted.filter((time) => one.addAll([time], [time * 10]) > 0).length;
      assert.equal(many.addAll(sorted, sorted.map((time) => time * 10)), fresh, `capacity ${capacity}: ${sorted}`);
    }
    assert.deepEqual(held(many), held(one));
  }
});

test("a reading for a known instant replaces it and is not new", () => {
  const samples = filled([1, 2, 3]);
  assert.equal(samples.addAll([2], [99]), 0);
  assert.deepEqual([0, 1, 2].map((row) => samples.value(row)), [10, 99, 30]);
});

test("a marked gap is no reading, and is found again", () => {
  const samples = filled([0, 1, 2]);
  samples.markGap();
  samples.markGap();
  samples.addAll([30], [300]);
  assert.deepEqual(samples.last, { time: 30, value: 300 });
  assert.equal(samples.length, 5);
  const missed = samples.missed(0, 40, 60);
  assert.ok(missed !== null && Math.abs(missed[0] - 2) < 1e-3);
  assert.equal(missed?.[1], 30);
  assert.equal(samples.missed(0, 20, 60), null);
  assert.equal(samples.valueBefore(10), null);
});

test("a pause is found like a marked gap, as far as it is asked for", () => {
  const samples = filled([0, 1, 10, 11, 30, 31]);
  assert.deepEqual(samples.missed(0, 40, 5), [1, 30]);
  assert.deepEqual(samples.missed(4, 20, 5), [4, 10]);
  assert.equal(samples.missed(0, 40, 19), null);
});

test("what is older than asked for is forgotten", () => {
  const samples = filled([1, 2, 3, 4, 5]);
  samples.forget(3);
  assert.deepEqual(held(samples), [3, 4, 5]);
  samples.addAll([2], [20]);
  samples.addAll([6], [60]);
  assert.deepEqual(held(samples), [2, 3, 4, 5, 6]);
});

test("an irregular series has longer pauses before one is a gap; one outage teaches nothing", () => {
  const regular = new Samples();
  for (let time = 0; time < 20; time++) regular.addAll([time], [0]);
  regular.addAll([100], [0]);
  assert.equal(regular.gap, 3);
  const irregular = new Samples();
  for (let time = 0, step = 0; step < 30; step++) irregular.addAll([(time += step % 5 === 0 ? 6 : 1)], [0]);
  assert.ok(irregular.gap >= 9);
});

test("the value before an instant", () => {
  const samples = filled([1, 2, 3]);
  assert.equal(samples.valueBefore(2), 20);
  assert.equal(samples.valueBefore(99), 30);
  assert.equal(samples.valueBefore(0.5), null);
  assert.equal(new Samples().valueBefore(1), null);
});
