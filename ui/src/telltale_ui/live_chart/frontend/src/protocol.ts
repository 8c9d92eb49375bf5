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
}

/** By which a person's verdict finds its anomaly. */
export const anomalyKey = (one: Anomaly): string =>
  [one.source, one.category, Math.round(one.observedAt * 1e6), one.detector].join("\n");

/** `confirmed` or `dismissed` by anomaly key. */
export type Verdicts = Readonly<Record<string, string>>;

export interface Reading {
  readonly series: SeriesInfo;
  readonly observedAt: number;
  readonly value: number;
  readonly publishedAt: number | null;
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
      readonly sentAt: number | null;
      readonly history: boolean;
      readonly readings: readonly Reading[];
    }
  | { readonly type: "anomalies"; readonly position: Position | null; readonly items: readonly Anomaly[] }
  | { readonly type: "lag"; readonly dropped: number }
  | { readonly type: "system"; readonly position: Position | null }
  | { readonly type: "other" };

const MICROSECONDS = 1e6;

type Json = Record<string, unknown>;

const seconds = (microseconds: unknown): number | null =>
  typeof microseconds === "number" ? microseconds / MICROSECONDS : null;

const position = (value: unknown): Position | null =>
  typeof value === "object" && value !== null ? (value as Position) : null;

const optionalText = (value: unknown): string | null => (typeof value === "string" && value !== "" ? value : null);

/** From the row [source, category, unit]. */
function seriesInfo(row: readonly unknown[]): SeriesInfo {
  return { source: String(row[0]), category: String(row[1]), unit: optionalText(row[2]) };
}

function readings(points: Json): Reading[] {
  const series = (points["series"] as unknown[][]).map(seriesInfo);
  const observedAt = points["observed_at"] as number[];
  const value = points["value"] as number[];
  const publishedAt = points["published_at"] as number[] | null | undefined;
  return (points["index"] as number[]).map((which, row) => ({
    series: series[which]!,
    observedAt: observedAt[row]! / MICROSECONDS,
    value: value[row]!,
    publishedAt: seconds(publishedAt?.[row]),
  }));
}

function anomaly(value: Json): Anomaly {
  return {
    ...seriesInfo([value["source"], value["category"], value["unit"]]),
    observedAt: (value["observed_at"] as number) / MICROSECONDS,
    value: value["value"] as number,
    score: value["score"] as number,
    expectedLow: value["expected_low"] as number,
    expectedHigh: value["expected_high"] as number,
    kind: String(value["kind"] ?? "anomaly"),
    detector: String(value["detector"] ?? ""),
    explanation: String(value["explanation"] ?? ""),
  };
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
        sentAt: seconds(frame["sent_at"]),
        history: frame["history"] === true,
        readings: readings(frame["points"] as Json),
      };
    case "anomalies":
      return {
        type: "anomalies",
        position: position(frame["position"]),
        items: (frame["items"] as Json[]).map(anomaly),
      };
    case "lag":
      return { type: "lag", dropped: Number(frame["dropped"] ?? 0) };
    case "system":
      return { type: "system", position: position(frame["position"]) };
    default:
      return { type: "other" };
  }
}

/** What identifies a series; no source or category holds the separator. */
export const seriesKey = (series: SeriesInfo): string => `${series.source}\u0000${series.category}`;
