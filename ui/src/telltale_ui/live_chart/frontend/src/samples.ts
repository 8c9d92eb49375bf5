// The newest readings of one series, in a ring of fixed size, and the columns a chart draws from it.

const FIRST_CAPACITY = 512;
const INTERVALS_KEPT = 31;
/** A pause longer than this many usual intervals is a gap. */
export const GAP_FACTOR = 3;

export interface Columns {
  readonly times: number[];
  /** null where the line must not be drawn: a gap. */
  readonly values: (number | null)[];
}

export class Samples {
  private times: Float64Array;
  private values: Float64Array;
  private capacity: number;
  private start = 0;
  private held = 0;
  private readonly intervals: number[] = [];

  constructor(private readonly limit = 20_000) {
    this.capacity = Math.min(FIRST_CAPACITY, limit);
    this.times = new Float64Array(this.capacity);
    this.values = new Float64Array(this.capacity);
  }

  get length(): number {
    return this.held;
  }

  private slot(row: number): number {
    return (this.start + row) % this.capacity;
  }

  time(row: number): number {
    return this.times[this.slot(row)]!;
  }

  value(row: number): number {
    return this.values[this.slot(row)]!;
  }

  /** The newest reading that is no gap mark. */
  get last(): { time: number; value: number } | null {
    for (let row = this.held - 1; row >= 0; row--) {
      if (!Number.isNaN(this.value(row))) return { time: this.time(row), value: this.value(row) };
    }
    return null;
  }

  /** First row at or after `time` (seconds). */
  rowAt(time: number): number {
    let low = 0;
    let high = this.held;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.time(middle) < time) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** Adds a reading; one for an instant already held replaces it. Returns whether it is new. */
  add(time: number, value: number): boolean {
    if (this.held > 0 && time <= this.time(this.held - 1)) {
      const row = this.rowAt(time);
      if (this.time(row) === time) {
        const known = !Number.isNaN(this.value(row));
        this.values[this.slot(row)] = value;
        return !known;
      }
      return this.insert(row, time, value);
    }
    const before = this.last;
    if (before !== null) {
      this.intervals.push(time - before.time);
      if (this.intervals.length > INTERVALS_KEPT) this.intervals.shift();
    }
    this.append(time, value);
    return true;
  }

  /** Thousands of quiet series must not cost what a few busy ones do, so the ring grows with its readings. */
  private grow(): void {
    const capacity = Math.min(this.limit, this.capacity * 2);
    const times = new Float64Array(capacity);
    const values = new Float64Array(capacity);
    for (let row = 0; row < this.held; row++) {
      times[row] = this.time(row);
      values[row] = this.value(row);
    }
    [this.times, this.values, this.capacity, this.start] = [times, values, capacity, 0];
  }

  private append(time: number, value: number): void {
    if (this.held === this.capacity && this.capacity < this.limit) this.grow();
    if (this.held === this.capacity) {
      this.start = (this.start + 1) % this.capacity;
      this.held--;
    }
    const slot = this.slot(this.held);
    this.times[slot] = time;
    this.values[slot] = value;
    this.held++;
  }

  private insert(row: number, time: number, value: number): boolean {
    if (row === 0 && this.held === this.limit) return false;
    const newest = this.held - 1;
    this.append(this.time(newest), this.value(newest));
    // A full ring dropped its oldest row just now, which moved every row down by one.
    const target = newest === this.held - 1 ? row - 1 : row;
    for (let at = this.held - 1; at > target; at--) {
      this.times[this.slot(at)] = this.times[this.slot(at - 1)]!;
      this.values[this.slot(at)] = this.values[this.slot(at - 1)]!;
    }
    this.times[this.slot(target)] = time;
    this.values[this.slot(target)] = value;
    return true;
  }

  /** Says that readings after the newest one may be missing: the line is broken there. */
  markGap(): void {
    if (this.held > 0 && !Number.isNaN(this.value(this.held - 1))) {
      this.append(this.time(this.held - 1) + 1e-4, Number.NaN);
    }
  }

  /** Median pause between readings in seconds, null while unknown. */
  get usualInterval(): number | null {
    if (this.intervals.length < 2) return null;
    const sorted = [...this.intervals].sort((a, b) => a - b);
    return sorted[sorted.length >> 1]!;
  }

  /** The value at or just before `time`, null when there is none. */
  valueBefore(time: number): number | null {
    const row = Math.min(this.rowAt(time), this.held - 1);
    return row < 0 || Number.isNaN(this.value(row)) ? null : this.value(row);
  }

  /** What to draw between two instants, with one reading beyond each end so that the line reaches the border. */
  columns(from: number, to: number, maxPoints = 4_000): Columns {
    const first = Math.max(0, this.rowAt(from) - 1);
    const end = Math.min(this.held, this.rowAt(to) + 1);
    const gap = GAP_FACTOR * (this.usualInterval ?? Number.POSITIVE_INFINITY);
    return end - first > maxPoints ? this.thinned(first, end, maxPoints, gap) : this.plain(first, end, gap);
  }

  private plain(first: number, end: number, gap: number): Columns {
    const times: number[] = [];
    const values: (number | null)[] = [];
    for (let row = first; row < end; row++) {
      const time = this.time(row);
      const value = this.value(row);
      const before = times.length > 0 ? times[times.length - 1]! : time;
      if (time - before > gap) {
        times.push(before + (time - before) / 2);
        values.push(null);
      }
      times.push(time);
      values.push(Number.isNaN(value) ? null : value);
    }
    return { times, values };
  }

  /** The lowest and the highest reading of each bucket: extremes are never lost. */
  private thinned(first: number, end: number, maxPoints: number, gap: number): Columns {
    const times: number[] = [];
    const values: (number | null)[] = [];
    const size = Math.ceil((end - first) / (maxPoints / 2));
    for (let from = first; from < end; from += size) {
      const to = Math.min(end, from + size);
      let low = from;
      let high = from;
      for (let row = from + 1; row < to; row++) {
        if (this.value(row) < this.value(low) || Number.isNaN(this.value(low))) low = row;
        if (this.value(row) > this.value(high) || Number.isNaN(this.value(high))) high = row;
      }
      for (const row of low === high ? [low] : [Math.min(low, high), Math.max(low, high)]) {
        const before = times.length > 0 ? times[times.length - 1]! : this.time(row);
        if (this.time(row) - before > gap * size) {
          times.push(before + (this.time(row) - before) / 2);
          values.push(null);
        }
        times.push(this.time(row));
        values.push(Number.isNaN(this.value(row)) ? null : this.value(row));
      }
    }
    return { times, values };
  }
}
