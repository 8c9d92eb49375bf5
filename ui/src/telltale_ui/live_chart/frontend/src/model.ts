// What the screen knows: the newest readings, expected ranges and anomalies of each series, and the alerts that fire.

import { type Alert, type Anomaly, type Batch, type ExpectedRanges, type SeriesInfo, seriesKey } from "./protocol";
import { Samples } from "./samples";

const ANOMALIES_PER_SERIES = 1_000;
const READINGS_PER_SERIES = 65_536;
const ALERTS_KEPT = 500;
const SHORTEST_SILENCE = 5;
const GONE: readonly string[] = ["resolved", "pending"];

/** Seconds without a reading after which a series counts as silent. */
export const silenceLimit = (samples: Samples): number =>
  Math.max(SHORTEST_SILENCE, Number.isFinite(samples.gap) ? samples.gap : 0);

export class LiveSeries {
  readonly key: string;
  readonly samples = new Samples(READINGS_PER_SERIES);
  readonly expectedLows = new Samples(READINGS_PER_SERIES);
  readonly expectedHighs = new Samples(READINGS_PER_SERIES);
  /** Oldest first. */
  readonly anomalies: Anomaly[] = [];
  /** Instants of readings that arrived live since the series was last drawn. */
  unpainted: number[] = [];

  constructor(public info: SeriesInfo) {
    this.key = seriesKey(info);
  }

  get name(): string {
    return `${this.info.source} · ${this.info.category}`;
  }

  isSilent(now: number): boolean {
    const { last } = this.samples;
    return last !== null && now - last.time > silenceLimit(this.samples);
  }
}

export class Model {
  private readonly held = new Map<string, LiveSeries>();
  /** By their names, with when the stream told of them last. */
  private readonly alertsHeld = new Map<string, { readonly alert: Alert; readonly toldAt: number }>();
  private sorted: LiveSeries[] | null = null;
  /** Readings taken in since the page was opened. */
  points = 0;
  anomalies = 0;

  /** All series by source and category. */
  get series(): readonly LiveSeries[] {
    this.sorted ??= [...this.held.values()].sort((a, b) => (a.key < b.key ? -1 : 1));
    return this.sorted;
  }

  find(info: SeriesInfo): LiveSeries {
    const key = seriesKey(info);
    let series = this.held.get(key);
    if (series === undefined) {
      series = new LiveSeries(info);
      this.held.set(key, series);
      this.sorted = null;
    } else if (info.unit !== null) {
      series.info = info;
    }
    return series;
  }

  /** Adds readings; returns how many were not known yet. */
  addReadings({ series, times, values }: Batch): number {
    const fresh = this.find(series).samples.addAll(times, values);
    this.points += fresh;
    return fresh;
  }

  addExpected({ series, times, lows, highs }: ExpectedRanges): void {
    const found = this.find(series);
    found.expectedLows.addAll(times, lows);
    found.expectedHighs.addAll(times, highs);
  }

  /** Adds an anomaly; returns whether it was not known yet, or has a verdict that was not. */
  addAnomaly(anomaly: Anomaly): boolean {
    const { anomalies } = this.find(anomaly);
    const place = anomalies.findIndex(
      (one) => one.observedAt === anomaly.observedAt && one.detector === anomaly.detector,
    );
    if (place >= 0) {
      if (anomaly.verdict === null || anomaly.verdict === anomalies[place]!.verdict) return false;
      anomalies[place] = anomaly;
      return true;
    }
    anomalies.push(anomaly);
    anomalies.sort((a, b) => a.observedAt - b.observedAt);
    if (anomalies.length > ANOMALIES_PER_SERIES) anomalies.shift();
    this.anomalies++;
    return true;
  }

  /** Takes a change of an alert, told at `toldAt`; returns whether it fires now and did not before. */
  addAlert(alert: Alert, toldAt: number): boolean {
    const before = this.alertsHeld.get(alert.alert)?.alert;
    if (before !== undefined && before.number >= alert.number) return false;
    this.alertsHeld.set(alert.alert, { alert, toldAt });
    return alert.state === "firing" && before?.state !== "firing";
  }

  /** Takes all that fired at `madeAt`: what is not among it is over. What was told since then counts more. */
  takeAlerts(firing: readonly Alert[], madeAt: number): void {
    const listed = new Map(firing.map((one) => [one.alert, one]));
    for (const [key, { alert, toldAt }] of this.alertsHeld) {
      if (toldAt < madeAt) {
        const state = listed.get(key) ?? { ...alert, state: "resolved" };
        this.alertsHeld.set(key, { alert: { ...state, number: alert.number }, toldAt });
      }
      listed.delete(key);
    }
    for (const [key, alert] of listed) this.alertsHeld.set(key, { alert, toldAt: madeAt });
  }

  /** What fires, or would if nobody had acknowledged or silenced it; the newest first. */
  get alerts(): Alert[] {
    const held = [...this.alertsHeld.values()].map((one) => one.alert);
    return held.filter((one) => !GONE.includes(one.state)).sort((a, b) => b.since - a.since);
  }

  /** What has arrived until now is not waited for any more. */
  forgetUnpainted(): void {
    for (const series of this.held.values()) series.unpainted = [];
  }

  /** Breaks every line: what was measured since the newest reading may be missing. */
  markGap(): void {
    for (const series of this.held.values()) series.samples.markGap();
  }

  /** Drops what is older than `time`, and alerts that have long been over. */
  forget(time: number): void {
    for (const { samples, expectedLows, expectedHighs } of this.held.values()) {
      for (const one of [samples, expectedLows, expectedHighs]) one.forget(time);
    }
    // One that is over stays for a while: an older message about it may still come.
    for (const [key, { alert }] of this.alertsHeld) {
      if (this.alertsHeld.size > ALERTS_KEPT && GONE.includes(alert.state)) this.alertsHeld.delete(key);
    }
  }

  /** Instant of the newest reading of any series, null without one. */
  get newest(): number | null {
    let newest: number | null = null;
    for (const { samples } of this.held.values()) {
      const last = samples.last;
      if (last !== null && (newest === null || last.time > newest)) newest = last.time;
    }
    return newest;
  }

  /** Whether there are readings and every series has fallen silent. */
  isSilent(now: number): boolean {
    const known = this.series.filter((one) => one.samples.length > 0);
    return known.length > 0 && known.every((one) => one.isSilent(now));
  }
}
