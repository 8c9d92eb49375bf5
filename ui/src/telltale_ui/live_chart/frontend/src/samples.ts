// The newest readings of one series, in a ring that grows with them up to a limit.

const FIRST_CAPACITY = 512;
const INTERVALS_KEPT = 31;
/** A pause longer than this many usual intervals is a gap. */
const GAP_FACTOR = 3;
/** Of the pauses kept, so many longest ones may be outages; the next one is how irregular the series is by itself. */
const OUTAGES = 2;
/** A mark stands this many seconds behind the reading before it, which is less than any two readings are apart. */
const MARK_OFFSET = 1e-6;

export class Samples {
  private times: Float64Array;
  private values: Float64Array;
  private capacity: number;
  private start = 0;
  private held = 0;
  private readonly intervals: number[] = [];
  private sortedIntervals: number[] | null = null;

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

  /** NaN where a gap is marked. */
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

  /** Adds readings in any order; one for an instant already held replaces it. Returns how many are new. */
  addAll(times: readonly number[], values: readonly number[]): number {
    let at = 0;
    while (at < times.length && (this.held === 0 || times[at]! > this.time(this.held - 1))) {
      this.noteInterval(times[at]!);
      this.append(times[at]!, values[at]!);
      at++;
    }
    return at === times.length ? at : at + this.merge(times.slice(at), values.slice(at));
  }

  private noteInterval(time: number): void {
    if (this.held === 0 || Number.isNaN(this.value(this.held - 1))) return;
    this.intervals.push(time - this.time(this.held - 1));
    if (this.intervals.length > INTERVALS_KEPT) this.intervals.shift();
    this.sortedIntervals = null;
  }

  private append(time: number, value: number): void {
    if (this.held === this.capacity && this.capacity < this.limit) this.resize(Math.min(this.limit, this.capacity * 2));
    if (this.held === this.capacity) {
      this.start = (this.start + 1) % this.capacity;
      this.held--;
    }
    const slot = this.slot(this.held);
    this.times[slot] = time;
    this.values[slot] = value;
    this.held++;
  }

  private resize(capacity: number): void {
    const times = new Float64Array(capacity);
    const values = new Float64Array(capacity);
    for (let row = 0; row < this.held; row++) {
      times[row] = this.time(row);
      values[row] = this.value(row);
    }
    [this.times, this.values, this.capacity, this.start] = [times, values, capacity, 0];
  }

  /** History arrives in front of what is there: one pass over everything, not one a reading. */
  private merge(times: readonly number[], values: readonly number[]): number {
    const order = times.map((_, place) => place).sort((a, b) => times[a]! - times[b]!);
    const oldTimes = Array.from({ length: this.held }, (_, row) => this.time(row));
    const oldValues = oldTimes.map((_, row) => this.value(row));
    const full = this.held === this.limit;
    const oldest = oldTimes[0]!;
    this.start = this.held = 0;
    let fresh = 0;
    let row = 0;
    for (const place of order) {
      const time = times[place]!;
      // A full ring has dropped what is older than its oldest reading.
      if (full && time < oldest) continue;
      for (; row < oldTimes.length && oldTimes[row]! < time; row++) this.append(oldTimes[row]!, oldValues[row]!);
      if (row < oldTimes.length && oldTimes[row] === time) {
        if (Number.isNaN(oldValues[row])) fresh++;
        oldValues[row] = values[place]!;
      } else if (this.held > 0 && this.time(this.held - 1) === time) {
        this.values[this.slot(this.held - 1)] = values[place]!;
      } else {
        this.append(time, values[place]!);
        fresh++;
      }
    }
    for (; row < oldTimes.length; row++) this.append(oldTimes[row]!, oldValues[row]!);
    return fresh;
  }

  /** Drops what is older than `time`. */
  forget(time: number): void {
    const rows = this.rowAt(time);
    this.start = this.slot(rows);
    this.held -= rows;
  }

  /** Says that readings after the newest one may be missing: the line is broken there. */
  markGap(): void {
    if (this.held > 0 && !Number.isNaN(this.value(this.held - 1))) {
      this.append(this.time(this.held - 1) + MARK_OFFSET, Number.NaN);
    }
  }

  private get sorted(): readonly number[] {
    this.sortedIntervals ??= [...this.intervals].sort((a, b) => a - b);
    return this.sortedIntervals;
  }

  /**
   * From the first to the last gap that ends between two instants, null without one: where one is marked, and where
   * readings are more than `pause` seconds apart.
   */
  missed(from: number, to: number, pause: number): readonly [from: number, to: number] | null {
    let found: [number, number] | null = null;
    for (let row = Math.max(1, this.rowAt(from)); row < this.held && this.time(row) <= to; row++) {
      const isGap = Number.isNaN(this.value(row - 1)) || this.time(row) - this.time(row - 1) > pause;
      if (isGap) found = [found?.[0] ?? Math.max(from, this.time(row - 1)), this.time(row)];
    }
    return found;
  }

  /** Median pause between readings in seconds, null while unknown. */
  get usualInterval(): number | null {
    return this.sorted.length < 2 ? null : this.sorted[this.sorted.length >> 1]!;
  }

  /** Seconds above which a pause is a gap; infinite while that is unknown. */
  get gap(): number {
    if (this.usualInterval === null) return Number.POSITIVE_INFINITY;
    const longest = this.sorted[this.sorted.length - 1 - OUTAGES] ?? 0;
    return Math.max(GAP_FACTOR * this.usualInterval, 1.5 * longest);
  }

  /** The value at or just before `time`, null when there is none or a gap is marked there. */
  valueBefore(time: number): number | null {
    let row = this.rowAt(time);
    if (row === this.held || this.time(row) !== time) row--;
    return row < 0 || Number.isNaN(this.value(row)) ? null : this.value(row);
  }
}
