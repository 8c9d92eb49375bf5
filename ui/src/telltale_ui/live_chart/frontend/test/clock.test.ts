import assert from "node:assert/strict";
import { test } from "node:test";
import { Clock } from "../src/clock";

/** A computer whose clock may be wrong and whose counter may stand still; frames of a system that is right. */
class Computer {
  private truth = 1_000_000;
  private counted = 0;
  wrongBy = 0;
  readonly clock = new Clock(() => 1_000 * (this.truth + this.wrongBy), () => 1_000 * this.counted);

  pass(seconds: number, isAsleep = false): void {
    this.truth += seconds;
    if (!isAsleep) this.counted += seconds;
  }

  receive(latency: number): void {
    const sentAt = this.truth;
    this.pass(latency);
    this.clock.take(sentAt);
  }

  get error(): number {
    return this.clock.now() - this.truth;
  }
}

const isNear = (error: number, limit = 0.051): void => assert.ok(Math.abs(error) < limit, `wrong by ${error} s`);

test("a wrong clock is put right by the fastest frame", () => {
  const computer = new Computer();
  computer.wrongBy = -300;
  for (const latency of [0.4, 0.05, 0.8, 0.3]) computer.receive(latency);
  isNear(computer.error);
});

test("after sleep the present is the present, before and after the next frame", () => {
  const computer = new Computer();
  computer.receive(0.05);
  computer.pass(3_600, true);
  isNear(computer.error);
  computer.receive(0.05);
  isNear(computer.error);
});

test("a clock that is set is put right by the next frame, in whichever direction", () => {
  for (const jump of [120, -120]) {
    const computer = new Computer();
    computer.receive(0.05);
    computer.wrongBy = jump;
    computer.receive(0.05);
    isNear(computer.error);
  }
});

test("a clock that runs too fast is followed", () => {
  const computer = new Computer();
  for (let second = 0; second < 600; second++) {
    computer.wrongBy += 0.001;
    computer.pass(1);
    computer.receive(0.01);
  }
  isNear(computer.error, 0.1);
});
