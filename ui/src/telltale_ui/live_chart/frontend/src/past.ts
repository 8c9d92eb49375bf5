// What was measured before the live readings that are held, and where some of them were missed: from REST, by the page's
// own server, thinned there. Charts draw it where they have no readings of their own, so there is no seam.

import type { Columns } from "./columns";
import { type Json, type SeriesInfo, seriesKey } from "./protocol";
import type { Stretch } from "./view";

const SERIES_PATH = "/live/timeseries";
const ANOMALIES_PATH = "/live/anomalies";
/** Somebody who drags or turns a wheel asks once, at the end. */
const SETTLE_MS = 150;
const RETRY_MS = 5_000;
const AT_ONCE = 4;
/** What is drawn may be this many times coarser than the best before it is asked for again. */
const COARSE = 2;
/** A line of the answer has so many buckets at most. */
const BUCKETS = 1_000;
const FINEST_SECONDS = 1;
/** Buckets without readings in a row that are a gap. */
const GAP_BUCKETS = 3;
const ANOMALIES_AT_MOST = 500;

interface Line {
  readonly stretch: Stretch;
  readonly bucket: number;
  readonly times: readonly number[];
  readonly lows: readonly number[];
  readonly highs: readonly number[];
}

const seconds = (text: unknown): number => Date.parse(String(text)) / 1000;

async function getJson(url: string): Promise<Json> {
  const response = await fetch(url, { credentials: "same-origin", cache: "no-store" });
  if (!response.ok) throw new Error(`${url}: ${response.status}`);
  return (await response.json()) as Json;
}

function query(series: readonly SeriesInfo[], [from, to]: Stretch): URLSearchParams {
  const asked = new URLSearchParams({ from: new Date(from * 1000).toISOString(), to: new Date(to * 1000).toISOString() });
  for (const source of new Set(series.map((one) => one.source))) asked.append("source", source);
  for (const category of new Set(series.map((one) => one.category))) asked.append("category", category);
  return asked;
}

export class Past {
  private readonly lines = new Map<string, Line>();
  private readonly wishes = new Map<string, { readonly series: SeriesInfo; readonly stretch: Stretch }>();
  private readonly asking = new WeakSet<object>();
  private anomaliesOf: Stretch | null = null;
  private readonly timers = new Set<ReturnType<typeof setTimeout>>();
  private running = 0;
  private isSettling = false;

  constructor(
    private readonly onLine: () => void,
    private readonly onAnomalies: (items: readonly Json[]) => void,
    private readonly load: (url: string) => Promise<Json> = getJson,
  ) {}

  /** Whether something that was asked for is not there yet. */
  get isWaiting(): boolean {
    return this.wishes.size > 0;
  }

  /** Whether nothing has been answered yet. */
  get isEmpty(): boolean {
    return this.lines.size === 0;
  }

  /** Whether a stretch of a series is there, as finely as it can be shown. */
  has(series: SeriesInfo, stretch: Stretch): boolean {
    return this.covers(this.lines.get(seriesKey(series)), stretch);
  }

  /** Instant of the oldest reading known from here, null without one. */
  get oldest(): number | null {
    const firsts = [...this.lines.values()].flatMap((line) => line.times.slice(0, 1));
    return firsts.length > 0 ? Math.min(...firsts) : null;
  }

  /** Ask for a stretch of a series unless it is there or asked for; what is there stays meanwhile. */
  want(series: SeriesInfo, stretch: Stretch): void {
    const key = seriesKey(series);
    const asked = this.wishes.get(key)?.stretch;
    if (this.has(series, stretch) || (asked !== undefined && answers(asked, stretch))) return;
    this.wishes.set(key, { series, stretch });
    if (this.isSettling) return;
    this.isSettling = true;
    this.after(SETTLE_MS, () => {
      this.isSettling = false;
      for (let free = AT_ONCE - this.running; free > 0; free--) void this.askNext();
    });
  }

  /** Ask for the anomalies of a stretch, once. */
  wantAnomalies(series: readonly SeriesInfo[], stretch: Stretch): void {
    const had = this.anomaliesOf;
    if (had !== null && had[0] <= stretch[0] && stretch[1] <= had[1]) return;
    this.anomaliesOf = stretch;
    this.load(`${ANOMALIES_PATH}?${query(series, stretch)}&limit=${ANOMALIES_AT_MOST}`).then(
      (answer) => this.onAnomalies(answer["items"] as Json[]),
      () => this.after(RETRY_MS, () => (this.anomaliesOf = had)),
    );
  }

  /** Stop asking; what is there stays. */
  close(): void {
    for (const timer of this.timers) clearTimeout(timer);
    this.wishes.clear();
  }

  private after(milliseconds: number, act: () => void): void {
    const timer = setTimeout(() => {
      this.timers.delete(timer);
      act();
    }, milliseconds);
    this.timers.add(timer);
  }

  private covers(line: Line | undefined, [from, to]: Stretch): boolean {
    if (line === undefined) return false;
    if (answers(line.stretch, [from, to])) return true;
    const isFine = line.bucket <= Math.max(FINEST_SECONDS, (COARSE * (to - from)) / BUCKETS);
    return isFine && line.stretch[0] <= from && to <= line.stretch[1];
  }

  private async askNext(): Promise<void> {
    const next = [...this.wishes].find(([, wish]) => !this.asking.has(wish));
    if (next === undefined) return;
    const [key, wish] = next;
    this.asking.add(wish);
    this.running++;
    try {
      const answer = await this.load(`${SERIES_PATH}?${query([wish.series], wish.stretch)}`);
      if (this.wishes.get(key) === wish) this.wishes.delete(key);
      this.lines.set(key, lineOf(answer, wish.stretch));
      this.onLine();
    } catch {
      this.after(RETRY_MS, () => {
        this.asking.delete(wish);
        void this.askNext();
      });
    }
    this.running--;
    void this.askNext();
  }

  /** Adds what is known of a series from `from` on and before `to`; returns whether that is anything. */
  pour(key: string, from: number, to: number, columns: Columns): boolean {
    const line = this.lines.get(key);
    if (line === undefined) return false;
    const gap = GAP_BUCKETS * line.bucket;
    let before: number | null = null;
    line.times.forEach((at, place) => {
      if (at < from || at >= to) return;
      if (before !== null && at - before > gap) columns.breakAt(before, at);
      columns.add(at, line.lows[place]!);
      if (line.highs[place] !== line.lows[place]) columns.add(Math.min(to, at + line.bucket / 2), line.highs[place]!);
      before = at;
    });
    if (before !== null && to - before > gap) columns.breakAt(before, to);
    return before !== null;
  }
}

/** Whether asking for `wanted` would tell hardly more than asking for `asked`, a stretch around it, does. */
function answers(asked: Stretch, wanted: Stretch): boolean {
  return asked[0] <= wanted[0] && wanted[1] <= asked[1] && COARSE * (wanted[1] - wanted[0]) > asked[1] - asked[0];
}

function lineOf(answer: Json, stretch: Stretch): Line {
  const points = ((answer["series"] as Json[])[0]?.["points"] ?? []) as Json[];
  return {
    stretch,
    bucket: (answer["bucket_seconds"] as number | null) ?? FINEST_SECONDS,
    times: points.map((point) => seconds(point["at"])),
    lows: points.map((point) => point["min"] as number),
    highs: points.map((point) => point["max"] as number),
  };
}
