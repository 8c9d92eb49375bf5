// What the screen knows: the newest readings and anomalies of each series.

import { type Anomaly, type Reading, type SeriesInfo, seriesKey } from "./protocol";
import { Samples } from "./samples";

const ANOMALIES_PER_SERIES = 200;

/** Seconds without a reading after which a series, or the whole screen, counts as silent. */
export const silenceLimit = (usualInterval: number | null): number => Math.max(5, 3 * (usualInterval ?? 0));

export interface LiveSeries {
  readonly key: string;
  info: SeriesInfo;
  readonly samples: Samples;
  /** Oldest first. */
  readonly anomalies: Anomaly[];
}

export class Model {
  private readonly held = new Map<string, LiveSeries>();
  /** Readings taken in since the page was opened. */
  points = 0;
  anomalies = 0;

  /** All series by source and category. */
  get series(): LiveSeries[] {
    return [...this.held.values()].sort((a, b) => (a.key < b.key ? -1 : 1));
  }

  find(info: SeriesInfo): LiveSeries {
    const key = seriesKey(info);
    let series = this.held.get(key);
    if (series === undefined) {
      series = { key, info, samples: new Samples(), anomalies: [] };
      this.held.set(key, series);
    } else if (info.unit !== null) {
      series.info = info;
    }
    return series;
  }

  /** Adds a reading; returns whether it was not known yet. */
  addReading(reading: Reading): boolean {
    const isNew = this.find(reading.series).samples.add(reading.observedAt, reading.value);
    if (isNew) this.points++;
    return isNew;
  }

  /** Adds an anomaly; returns whether it was not known yet. */
  addAnomaly(anomaly: Anomaly): boolean {
    const { anomalies } = this.find(anomaly);
    const known = anomalies.some(
      (one) => one.observedAt === anomaly.observedAt && one.detector === anomaly.detector,
    );
    if (known) return false;
    anomalies.push(anomaly);
    anomalies.sort((a, b) => a.observedAt - b.observedAt);
    if (anomalies.length > ANOMALIES_PER_SERIES) anomalies.shift();
    this.anomalies++;
    return true;
  }

  /** Breaks every line: what was measured since the newest reading may be missing. */
  markGap(): void {
    for (const series of this.held.values()) series.samples.markGap();
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

  /** Instant of the oldest reading held, null without one. */
  get oldest(): number | null {
    const firsts = [...this.held.values()].filter((one) => one.samples.length > 0).map((one) => one.samples.time(0));
    return firsts.length > 0 ? Math.min(...firsts) : null;
  }

  /** The shortest usual pause between readings of a series, in seconds; null while unknown. */
  get usualInterval(): number | null {
    const known = [...this.held.values()].map((one) => one.samples.usualInterval).filter((one) => one !== null);
    return known.length > 0 ? Math.min(...known) : null;
  }
}
