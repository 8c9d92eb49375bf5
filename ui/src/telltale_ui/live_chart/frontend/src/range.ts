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
  ) {}

  get stretch(): Stretch {
    return this.view.stretch(this.oldest, SHORTEST_SECONDS);
  }

  /** Instant of the oldest reading there is; null while that is not known. */
  private get oldest(): number | null {
    const needsPast = this.view.span > LONGEST_HISTORY_SECONDS;
    if (this.past.isWaiting || (needsPast && this.past.isEmpty)) return null;
    const known = [this.model.oldest, this.past.oldest].filter((one) => one !== null);
    return known.length === 0 ? null : Math.min(...known);
  }

  /** Ask for what of the past is in view, and forget what is not needed any more. */
  keepUp(shown: readonly LiveSeries[], now: number): void {
    const limit = limitOf(this.view.span, now);
    const needs: Stretch[] = [];
    for (const { info, samples } of shown) {
      const need = missing(samples, this.stretch, limit, now);
      if (need === null) continue;
      needs.push(need);
      this.past.want(info, need);
    }
    if (needs.length > 0) {
      const reach: Stretch = [Math.min(...needs.map(([from]) => from)), Math.max(...needs.map(([, to]) => to))];
      this.past.wantAnomalies(shown.map((one) => one.info), reach);
    }
    // A held chart keeps what it shows.
    if (!this.past.isWaiting && !this.view.isHeld) this.model.forget(limit);
  }
}
