// The gateway's frames, decoded in one place. Times arrive as µs since 1970 UTC and leave as seconds.

export interface SeriesInfo {
  readonly source: string;
  readonly category: string;
  readonly unit: string | null;
}

export interface Anomaly {
  readonly source: string;
  readonly category: string;
  readonly unit: string | null;
  readonly observedAt: number;
  readonly value: number;
  readonly score: number;
  readonly expectedLow: number;
  readonly expectedHigh: number;
  readonly kind: string;
  readonly detector: string;
  readonly explanation: string;
  /** What a person said of it, where the history told that. */
  readonly verdict: string | null;
}

/** By which a person's verdict finds its anomaly. */
export const anomalyKey = (one: Anomaly): string =>
  [one.source, one.category, Math.round(one.observedAt * 1e6), one.detector].join("\n");

/** By anomaly key: `confirmed`, `dismissed`, or null for a verdict that was taken back. */
export type Verdicts = Readonly<Record<string, string | null>>;

/** Readings of one series, in columns of equal length. */
export interface Batch {
  readonly series: SeriesInfo;
  readonly times: number[];
  readonly values: number[];
  /** When each was first published; empty where that is not told. */
  readonly publishedAt: number[];
}

/** What the detector expected of one series at some instants, in columns of equal length. */
export interface ExpectedRanges {
  readonly series: SeriesInfo;
  readonly times: number[];
  readonly lows: number[];
  readonly highs: number[];
}

/** One alert as it is after a change. */
export interface Alert {
  readonly alert: string;
  readonly number: number;
  readonly name: string;
  readonly severity: string;
  readonly state: string;
  readonly source: string;
  readonly category: string;
  readonly since: number;
  readonly explanation: string;
}

/** Where to resume; opaque to the browser. */
export type Position = Record<string, unknown>;

export type Frame =
  | { readonly type: "hello"; readonly sessionSeconds: number }
  | {
      readonly type: "subscribed";
      readonly position: Position | null;
      readonly recovered: boolean;
      /** Whether something between `after` and what follows is missing. */
      readonly gap: boolean;
      readonly series: readonly SeriesInfo[];
    }
  | {
      readonly type: "readings";
      readonly position: Position | null;
      readonly sentAt: number;
      readonly history: boolean;
      readonly batches: readonly Batch[];
    }
  | {
      readonly type: "anomalies";
      readonly position: Position | null;
      readonly history: boolean;
      readonly items: readonly Anomaly[];
    }
  | { readonly type: "expected"; readonly position: Position | null; readonly ranges: readonly ExpectedRanges[] }
  | {
      readonly type: "alerts";
      readonly position: Position | null;
      readonly history: boolean;
      readonly items: readonly Alert[];
    }
  | { readonly type: "lag"; readonly dropped: number }
  | {
      readonly type: "system";
      readonly position: Position | null;
      readonly service: string;
      readonly figures: Readonly<Record<string, number>>;
    }
  | { readonly type: "other" };

const MICROSECONDS = 1e6;

export type Json = Record<string, unknown>;

const seconds = (microseconds: number): number => microseconds / MICROSECONDS;

const position = (value: unknown): Position | null =>
  typeof value === "object" && value !== null ? (value as Position) : null;

const optionalText = (value: unknown): string | null => (typeof value === "string" && value !== "" ? value : null);

/** From the row [source, category, unit]. */
function seriesInfo(row: readonly unknown[]): SeriesInfo {
  return { source: String(row[0]), category: String(row[1]), unit: optionalText(row[2]) };
}

/** The rows of columns, put together by series: `rows[n]` are the places of those of the n-th series. */
function bySeries(points: Json): { series: SeriesInfo; rows: number[] }[] {
  const groups = (points["series"] as unknown[][]).map((row) => ({ series: seriesInfo(row), rows: [] as number[] }));
  (points["index"] as number[]).forEach((which, row) => groups[which]!.rows.push(row));
  return groups.filter((one) => one.rows.length > 0);
}

function batches(points: Json): Batch[] {
  const observedAt = points["observed_at"] as number[];
  const value = points["value"] as number[];
  const publishedAt = (points["published_at"] ?? []) as number[];
  return bySeries(points).map(({ series, rows }) => ({
    series,
    times: rows.map((row) => seconds(observedAt[row]!)),
    values: rows.map((row) => value[row]!),
    publishedAt: publishedAt.length > 0 ? rows.map((row) => seconds(publishedAt[row]!)) : [],
  }));
}

function expectedRanges(points: Json): ExpectedRanges[] {
  const column = (name: string): number[] => points[name] as number[];
  return bySeries(points).map(({ series, rows }) => ({
    series,
    times: rows.map((row) => seconds(column("observed_at")[row]!)),
    lows: rows.map((row) => column("low")[row]!),
    highs: rows.map((row) => column("high")[row]!),
  }));
}

function alert(value: Json): Alert {
  const text = (name: string): string => String(value[name] ?? "");
  return {
    alert: text("alert"),
    number: value["number"] as number,
    name: text("name"),
    severity: text("severity"),
    state: text("state"),
    source: text("source"),
    category: text("category"),
    since: seconds(value["since"] as number),
    explanation: text("explanation"),
  };
}

/** An anomaly of the stream, whose times are µs, or of REST, whose times are texts. */
export function anomaly(value: Json): Anomaly {
  const at = value["observed_at"];
  return {
    ...seriesInfo([value["source"], value["category"], value["unit"]]),
    observedAt: typeof at === "number" ? seconds(at) : microsecondsOf(String(at)) / MICROSECONDS,
    value: value["value"] as number,
    score: value["score"] as number,
    expectedLow: value["expected_low"] as number,
    expectedHigh: value["expected_high"] as number,
    kind: String(value["kind"] ?? "anomaly"),
    detector: String(value["detector"] ?? ""),
    explanation: String(value["explanation"] ?? ""),
    verdict: optionalText(value["verdict"]),
  };
}

/** µs since 1970 UTC of an RFC 3339 text; `Date` alone would cut it to ms. */
function microsecondsOf(text: string): number {
  const fraction = /\.(\d+)/.exec(text)?.[1] ?? "";
  const whole = Date.parse(text.replace(/\.\d+/, "")) * 1_000;
  return whole + Number(fraction.padEnd(6, "0").slice(0, 6));
}

/** One text frame of the gateway. Throws on what is no JSON object of the promised shape. */
export function decode(text: string): Frame {
  const frame = JSON.parse(text) as Json;
  switch (frame["type"]) {
    case "hello":
      return { type: "hello", sessionSeconds: frame["session_seconds"] as number };
    case "subscribed":
      return {
        type: "subscribed",
        position: position(frame["position"]),
        recovered: frame["recovered"] === true,
        gap: typeof frame["gap"] === "object" && frame["gap"] !== null,
        series: ((frame["series"] as unknown[][] | undefined) ?? []).map(seriesInfo),
      };
    case "readings":
      return {
        type: "readings",
        position: position(frame["position"]),
        sentAt: seconds(frame["sent_at"] as number),
        history: frame["history"] === true,
        batches: batches(frame["points"] as Json),
      };
    case "anomalies":
      return {
        type: "anomalies",
        position: position(frame["position"]),
        history: frame["history"] === true,
        items: (frame["items"] as Json[]).map(anomaly),
      };
    case "expected":
      return {
        type: "expected",
        position: position(frame["position"]),
        ranges: expectedRanges(frame["points"] as Json),
      };
    case "alerts":
      return {
        type: "alerts",
        position: position(frame["position"]),
        history: frame["history"] === true,
        items: (frame["items"] as Json[]).map(alert),
      };
    case "lag":
      return { type: "lag", dropped: Number(frame["dropped"] ?? 0) };
    case "system": {
      const event = (frame["event"] ?? {}) as Json;
      return {
        type: "system",
        position: position(frame["position"]),
        service: String(event["service"] ?? ""),
        figures: (event["figures"] ?? {}) as Record<string, number>,
      };
    }
    default:
      return { type: "other" };
  }
}

/** What identifies a series; no source or category holds the separator. */
export const seriesKey = (series: SeriesInfo): string => `${series.source}\u0000${series.category}`;
