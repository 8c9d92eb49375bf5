// What a chart draws of a series: columns with nulls where the line breaks, thinned to what its pixels can show.

import type { Samples } from "./samples";

/** Whether there was something to add, or there is nothing, or that is not known (yet). */
export type Found = "filled" | "empty" | "unknown";

/** Adds what others know of the time between two instants, at both of which there is a reading if it `isBetween`. */
export type Filler = (from: number, to: number, columns: Columns, isBetween: boolean) => Found;

/** Up to this many readings a pixel are drawn one by one. */
const DENSE = 2;

/** Why there is nothing to draw: nothing was measured, or nobody told us whether something was. */
export type Reason = "no readings" | "not received" | "no connection";

/** A stretch in which there is nothing to draw. */
export interface Gap {
  readonly from: number;
  readonly to: number;
  readonly reason: Reason;
}

/** Columns that are filled anew for every frame; reused, so that drawing leaves nothing to the garbage collector. */
export class Columns {
  readonly times: number[] = [];
  /** null where the line must not be drawn: a gap. */
  readonly values: (number | null)[] = [];
  readonly gaps: Gap[] = [];

  clear(): void {
    this.times.length = this.values.length = this.gaps.length = 0;
  }

  get lastTime(): number | null {
    return this.times.length > 0 ? this.times[this.times.length - 1]! : null;
  }

  add(time: number, value: number): void {
    this.times.push(time);
    this.values.push(value);
  }

  /** Breaks the line between two instants. */
  breakAt(from: number, to: number, reason: Reason = "no readings"): void {
    this.times.push(from + (to - from) / 2);
    this.values.push(null);
    this.gaps.push({ from, to, reason });
  }

  /** The value at or just before `time`; null where there is none. */
  valueBefore(time: number): number | null {
    let low = 0;
    let high = this.times.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.times[middle]! <= time) low = middle + 1;
      else high = middle;
    }
    return low === 0 ? null : this.values[low - 1]!;
  }
}

/**
 * Adds the readings between two instants, with one beyond each end so that the line reaches the border.
 *
 * Where they are dense, the lowest and the highest of each pixel stand for all: extremes are never lost. Pixels begin
 * at multiples of `pixel` seconds, so a reading falls into the same one in every frame and nothing shimmers. What lies
 * before the oldest reading, and inside gaps, is left to `fill`.
 */
export function pour(
  samples: Samples, from: number, to: number, pixel: number, columns: Columns, fill: Filler = () => "unknown",
): void {
  const oldest = samples.length > 0 ? samples.time(0) : to;
  if (oldest > from) fill(from, Math.min(oldest, to), columns, false);
  const first = Math.max(0, samples.rowAt(from) - 1);
  const end = Math.min(samples.length, samples.rowAt(to) + 1);
  const isDense = end - first > (DENSE * (to - from)) / pixel;
  // What is shorter than a pixel cannot be seen as a gap.
  const gap = Math.max(samples.gap, pixel);
  const isMark = (row: number): boolean => Number.isNaN(samples.value(row));
  const follows = (row: number): boolean => !isMark(row - 1) && samples.time(row) - samples.time(row - 1) <= gap;
  let row = first;
  while (row < end) {
    if (isMark(row)) {
      row++;
      continue;
    }
    if (row > first && !follows(row)) {
      const [left, back] = [samples.time(row - 1), samples.time(row)];
      const found = fill(left, back, columns, true);
      if (found === "unknown" && isMark(row - 1)) columns.breakAt(left, back, "not received");
      else if (found !== "filled" && back - left > gap) columns.breakAt(left, back);
    }
    const pixelEnd = isDense ? (Math.floor(samples.time(row) / pixel) + 1) * pixel : 0;
    let low = row;
    let high = row;
    for (row++; row < end && samples.time(row) < pixelEnd && !isMark(row) && follows(row); row++) {
      if (samples.value(row) < samples.value(low)) low = row;
      if (samples.value(row) > samples.value(high)) high = row;
    }
    const [earlier, later] = low < high ? [low, high] : [high, low];
    columns.add(samples.time(earlier), samples.value(earlier));
    if (earlier !== later) columns.add(samples.time(later), samples.value(later));
  }
}
