// What the charts show of time, kept supplied: the past is fetched when it comes into view, and forgotten when it leaves.

import type { LiveSeries, Model } from "./model";
import { limitOf, missing } from "./needs";
import type { Past } from "./past";
import type { Stretch, View } from "./view";

const SHORTEST_SECONDS = 60;
/** Longer ranges need the past from the beginning; the gateway tells no more than this. */
const LONGEST_HISTORY_SECONDS = 900;

export class ShownRange {
  constructor(
    private readonly view: View,
    private readonly model: Model,
    private readonly past: Past,
    /** Series that have a chart. */
    private readonly shown: () => readonly LiveSeries[],
  ) {}

  get stretch(): Stretch {
    return this.view.stretch(this.oldest, SHORTEST_SECONDS);
  }

  /** Instant of the oldest reading there is; null while that is not known. */
  private get oldest(): number | null {
    const [from] = this.view.stretch(null, SHORTEST_SECONDS);
    const needsPast = this.view.span > LONGEST_HISTORY_SECONDS;
    let oldest = Number.POSITIVE_INFINITY;
    for (const { info, samples } of this.shown()) {
      const stored = this.past.oldest(info, from);
      if (needsPast && stored === null) return null;
      oldest = Math.min(oldest, stored ?? oldest, samples.length > 0 ? samples.time(0) : oldest);
    }
    return Number.isFinite(oldest) ? oldest : null;
  }

  /** Ask for what of the past is in view, and forget what is not needed any more. */
  keepUp(now: number): void {
    const shown = this.shown();
    const limit = limitOf(this.view.span, now);
    const { stretch } = this;
    const needs: Stretch[] = [];
    this.past.dropOthers(shown.map((one) => one.info));
    for (const { info, samples } of shown) {
      const wanted = missing(samples, stretch, limit, now);
      needs.push(...wanted);
      const next = wanted.find((one) => !this.past.has(info, one));
      if (next !== undefined) this.past.want(info, next);
    }
    if (needs.length > 0) {
      const reach: Stretch = [Math.min(...needs.map(([from]) => from)), Math.max(...needs.map(([, to]) => to))];
      this.past.wantAnomalies(shown.map((one) => one.info), reach);
    }
    // A held chart keeps what it shows.
    if (!this.past.isWaiting && !this.view.isHeld) this.model.forget(limit);
  }
}
