// Frames of the gateway into what the screen knows, and what of that is news to it.

import type { Latencies } from "./latency";
import type { Model } from "./model";
import type { Alert, Anomaly, Frame } from "./protocol";

/** Of a series that nobody sees. */
const UNPAINTED_AT_MOST = 1_000;
/** Heartbeats come every few seconds: a stream that says nothing for so long is away, and nobody says what is missed. */
const QUIET_MS = 10_000;

/** What may have changed with a frame. */
export interface News {
  /** Other series than before. */
  onSeries(): void;
  onAnomalies(): void;
  onAlerts(begun: readonly Alert[]): void;
  /** Something was missed of which only the present state can be asked for. */
  onMissed(): void;
  /** Readings that were not known yet. */
  onReadings(count: number): void;
  /** Readings and anomalies that the gateway left out, because this browser did not keep up. */
  onLag(dropped: number): void;
}

export class Intake {
  wasSubscribed = false;
  private heardAt = Number.POSITIVE_INFINITY;

  constructor(
    private readonly model: Model,
    private readonly latencies: Latencies,
    private readonly news: News,
    private readonly now: () => number,
  ) {}

  /** Whether the stream has said nothing for a while. The gateway itself may answer nevertheless. */
  isQuiet(at: number): boolean {
    return at - this.heardAt > QUIET_MS;
  }

  /** Takes a frame in that came `at`, on `performance.now()`; returns whether that may be seen. */
  take(frame: Frame, at: number): boolean {
    const isNew = "position" in frame && frame.type !== "subscribed" && !("history" in frame && frame.history);
    if (isNew && this.isQuiet(at)) this.model.markGap();
    // A new connection says itself what was missed meanwhile.
    if (isNew || frame.type === "hello") this.heardAt = at;
    switch (frame.type) {
      case "subscribed":
        // Nothing says what happened while we were away: break the lines rather than invent values.
        if (this.wasSubscribed && !frame.recovered && frame.gap) {
          this.model.markGap();
          this.news.onMissed();
        }
        this.wasSubscribed = true;
        for (const info of frame.series) this.model.find(info);
        this.news.onSeries();
        return true;
      case "readings":
        this.takeReadings(frame);
        return true;
      case "anomalies":
        this.takeAnomalies(frame.items);
        return true;
      case "expected":
        for (const one of frame.ranges) this.model.addExpected(one);
        return true;
      case "alerts": {
        const begun = frame.items.filter((one) => this.model.addAlert(one, this.now()));
        this.news.onAlerts(frame.history ? [] : begun);
        return true;
      }
      case "lag":
        this.model.markGap();
        this.news.onLag(frame.dropped);
        return true;
      case "system":
        if (frame.service === "writer") this.latencies.takeStored(frame.figures);
        return false;
      default:
        return false;
    }
  }

  private takeReadings(frame: Extract<Frame, { type: "readings" }>): void {
    const known = this.model.series.length;
    let fresh = 0;
    for (const batch of frame.batches) {
      const added = this.model.addReadings(batch);
      fresh += added;
      if (frame.history || document.hidden || added === 0) continue;
      const { unpainted } = this.model.find(batch.series);
      if (unpainted.length < UNPAINTED_AT_MOST) unpainted.push(...batch.times);
      this.latencies.takePublished(batch);
    }
    if (this.model.series.length !== known) this.news.onSeries();
    this.news.onReadings(fresh);
  }

  /** Of the live stream, or of the past. */
  takeAnomalies(items: readonly Anomaly[]): void {
    if (items.filter((one) => this.model.addAnomaly(one)).length > 0) this.news.onAnomalies();
  }
}
