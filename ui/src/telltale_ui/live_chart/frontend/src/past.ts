// What was measured before the live readings that are held, and where some of them were missed: from REST, by the page's
// own server, thinned there. Charts draw it where they have no readings of their own, so there is no seam.

import type { Columns, Found } from "./columns";
import { type Json, type SeriesInfo, seriesKey } from "./protocol";
import type { Stretch } from "./view";

const SERIES_PATH = "/live/timeseries";
const ANOMALIES_PATH = "/live/anomalies";
/** Somebody who drags or turns a wheel asks once, at the end. */
const SETTLE_MS = 150;
const RETRY_MS = 5_000;
const ANSWER_MS = 20_000;
const AT_ONCE = 4;
/** What is drawn may be this many times coarser than the best before it is asked for again. */
const COARSE = 2;
/** A line of the answer has so many buckets at most. */
const BUCKETS = 1_000;
const FINEST_SECONDS = 1;
/** Buckets without readings in a row that are a gap. */
const GAP_BUCKETS = 3;
/** Of each series so many lines are kept, the last one and the longest: who zooms out sees at once what was there. */
const LINES_KEPT = 6;
/** What was measured this many seconds ago is stored for certain: after an outage the store is behind for a while. */
const SETTLED_AFTER = 120;
/** What was asked for sooner is asked for again when it is so many times as old as it was then ... */
const AGAIN_FACTOR = 4;
/** ... and was taken for this many seconds old at least. */
const YOUNGEST = 5;
export const ANOMALIES_AT_MOST = 500;

interface Line {
  readonly stretch: Stretch;
  /** When it was answered. */
  readonly at: number;
  /** Seconds that a point stands for, from its instant on. */
  readonly bucket: number;
  readonly times: readonly number[];
  readonly lows: readonly number[];
  readonly highs: readonly number[];
}

/** What was asked for, and since when it was told: of too many, only the newest are. */
interface Anomalies {
  readonly stretch: Stretch;
  since: number;
}

const seconds = (text: unknown): number => Date.parse(String(text)) / 1000;

async function getJson(url: string): Promise<Json> {
  const response = await fetch(url, {
    credentials: "same-origin", cache: "no-store", signal: AbortSignal.timeout(ANSWER_MS),
  });
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
  private readonly lines = new Map<string, readonly Line[]>();
  private readonly wishes = new Map<string, { readonly series: SeriesInfo; readonly stretch: Stretch }>();
  private readonly asking = new WeakSet<object>();
  private readonly anomaliesOf = new Map<string, Anomalies>();
  private readonly timers = new Set<ReturnType<typeof setTimeout>>();
  private running = 0;
  private isSettling = false;

  constructor(
    private readonly onLine: () => void,
    private readonly onAnomalies: (items: readonly Json[]) => void,
    private readonly now: () => number,
    private readonly load: (url: string) => Promise<Json> = getJson,
  ) {}

  /** Whether something that was asked for is not there yet. */
  get isWaiting(): boolean {
    return this.wishes.size > 0;
  }

  /** Whether a stretch of a series is there, as finely as it can be shown and as fully as it can be by now. */
  has(series: SeriesInfo, stretch: Stretch): boolean {
    return this.linesOf(seriesKey(series)).some((line) => this.covers(line, stretch));
  }

  /** Instant of the oldest reading since `from`, or before; infinite where there is none, null while that is not known. */
  oldest(series: SeriesInfo, from: number): number | null {
    const reaching = this.linesOf(seriesKey(series)).filter((line) => line.stretch[0] <= from);
    if (reaching.length === 0) return null;
    return Math.min(...reaching.map((line) => line.times[0] ?? Number.POSITIVE_INFINITY));
  }

  /** What nobody shows any more is not waited for. */
  dropOthers(shown: readonly SeriesInfo[]): void {
    const keys = new Set(shown.map(seriesKey));
    for (const key of this.wishes.keys()) if (!keys.has(key)) this.wishes.delete(key);
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

  /** Ask for the anomalies of a stretch, once for each series. */
  wantAnomalies(series: readonly SeriesInfo[], stretch: Stretch): void {
    const wanted = series.filter((one) => {
      const had = this.anomaliesOf.get(seriesKey(one));
      return had === undefined || !contains(had.stretch, stretch) || (had.since > stretch[0] && !answers(had.stretch, stretch));
    });
    if (wanted.length === 0) return;
    const asked: Anomalies = { stretch, since: stretch[0] };
    for (const one of wanted) this.anomaliesOf.set(seriesKey(one), asked);
    this.load(`${ANOMALIES_PATH}?${query(wanted, stretch)}&limit=${ANOMALIES_AT_MOST}`).then(
      (answer) => {
        const items = answer["items"] as Json[];
        if (typeof answer["next_cursor"] === "string") asked.since = seconds(items[items.length - 1]?.["observed_at"]);
        this.onAnomalies(items);
      },
      () => this.after(RETRY_MS, () => {
        for (const one of wanted) if (this.anomaliesOf.get(seriesKey(one)) === asked) this.anomaliesOf.delete(seriesKey(one));
      }),
    );
  }

  /** Whether there are more anomalies of these series since `from` than were told. */
  lacksAnomalies(series: readonly SeriesInfo[], from: number): boolean {
    return series.some((one) => {
      const had = this.anomaliesOf.get(seriesKey(one));
      return had !== undefined && had.since > Math.max(from, had.stretch[0]);
    });
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

  private linesOf(key: string): readonly Line[] {
    return this.lines.get(key) ?? [];
  }

  private covers(line: Line, [from, to]: Stretch): boolean {
    const age = line.at - to;
    if (age < SETTLED_AFTER && this.now() - to > AGAIN_FACTOR * Math.max(age, YOUNGEST)) return false;
    if (answers(line.stretch, [from, to])) return true;
    const isFine = line.bucket <= Math.max(FINEST_SECONDS, (COARSE * (to - from)) / BUCKETS);
    return isFine && contains(line.stretch, [from, to]);
  }

  private keep(key: string, line: Line): void {
    const others = this.linesOf(key).filter((one) => one.bucket < line.bucket || !contains(line.stretch, one.stretch));
    others.sort((a, b) => lengthOf(b.stretch) - lengthOf(a.stretch));
    this.lines.set(key, [line, ...others.slice(0, LINES_KEPT - 1)]);
  }

  /** The line that tells most of a stretch, and that as finely as any. */
  private best(key: string, [from, to]: Stretch): Line | null {
    const told = ({ stretch }: Line): number => Math.min(to, stretch[1]) - Math.max(from, stretch[0]);
    let best: Line | null = null;
    for (const line of this.linesOf(key)) {
      const more = told(line) - (best === null ? 0 : told(best));
      if (more > 0 || (more === 0 && best !== null && line.bucket < best.bucket)) best = line;
    }
    return best;
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
      this.keep(key, lineOf(answer, wish.stretch, this.now()));
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

  /**
   * Adds what is known of a series from `from` on and before `to`.
   *
   * @param pause seconds above which the series has a gap
   * @param isBetween whether readings stand at both instants: they are not told again, and the line breaks behind the
   *   first where there is a gap
   */
  pour(key: string, from: number, to: number, columns: Columns, pause: number, isBetween: boolean): Found {
    const line = this.best(key, [from, to]);
    if (line === null) return "unknown";
    const gap = Math.max(GAP_BUCKETS * line.bucket, Number.isFinite(pause) ? pause : 0);
    const isKnown = (stretch: Stretch): boolean => contains(line.stretch, stretch) && line.at - stretch[1] >= SETTLED_AFTER;
    const breakAt = (left: number, back: number): void =>
      columns.breakAt(left, back, isKnown([left, back]) ? "no readings" : "not received");
    const end = isBetween ? to - line.bucket : to;
    let before = isBetween ? from : null;
    let isFilled = false;
    line.times.forEach((at, place) => {
      if (at < from || at > end || at === (isBetween ? from : to)) return;
      if (before !== null && at - before > gap) breakAt(before, at);
      columns.add(at, line.lows[place]!);
      if (line.highs[place] !== line.lows[place]) columns.add(Math.min(to, at + line.bucket / 2), line.highs[place]!);
      before = at;
      isFilled = true;
    });
    // Between two readings there may be no whole bucket, which says nothing unless it is a short one.
    const isTold = line.bucket <= FINEST_SECONDS || to - from >= 2 * line.bucket;
    if (!isFilled) return isTold && isKnown([from, to]) ? "empty" : "unknown";
    if (before !== null && to - before > gap) breakAt(before, to);
    return "filled";
  }
}

const lengthOf = ([from, to]: Stretch): number => to - from;

const contains = (outer: Stretch, inner: Stretch): boolean => outer[0] <= inner[0] && inner[1] <= outer[1];

/** Whether asking for `wanted` would tell hardly more than asking for `asked`, a stretch around it, does. */
function answers(asked: Stretch, wanted: Stretch): boolean {
  return contains(asked, wanted) && COARSE * lengthOf(wanted) > lengthOf(asked);
}

function lineOf(answer: Json, stretch: Stretch, at: number): Line {
  const points = ((answer["series"] as Json[])[0]?.["points"] ?? []) as Json[];
  return {
    stretch,
    at,
    bucket: (answer["bucket_seconds"] as number | null) ?? FINEST_SECONDS,
    times: points.map((point) => seconds(point["at"])),
    lows: points.map((point) => point["min"] as number),
    highs: points.map((point) => point["max"] as number),
  };
}
