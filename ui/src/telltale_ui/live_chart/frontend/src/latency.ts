// How long readings take from being measured to each step on their way: percentiles over the newest of them.

import type { Batch } from "./protocol";

const MILLISECONDS = 1_000;

export class LatencyWindow {
  private readonly held: number[] = [];
  private next = 0;

  constructor(private readonly size = 600) {}

  add(milliseconds: number): void {
    this.held[this.next] = milliseconds;
    this.next = (this.next + 1) % this.size;
  }

  /** The value that `share` (0 to 1) of the measurements do not exceed (nearest rank), null without any. */
  percentile(share: number): number | null {
    if (this.held.length === 0) return null;
    const sorted = [...this.held].sort((a, b) => a - b);
    return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)]!;
  }
}

/** A step on a reading's way, by its median and 95th percentile in ms since it was measured; null while unknown. */
export interface Step {
  readonly name: string;
  readonly p50: number | null;
  readonly p95: number | null;
}

export class Latencies {
  readonly painted = new LatencyWindow();
  private readonly published = new LatencyWindow();
  private stored: Step = { name: "stored", p50: null, p95: null };

  takePublished({ times, publishedAt }: Batch): void {
    publishedAt.forEach((at, row) => this.published.add((at - times[row]!) * MILLISECONDS));
  }

  /** From the writer's heartbeat: of the readings that it stored since the one before. */
  takeStored(figures: Readonly<Record<string, number>>): void {
    const { stored_p50_ms: p50, stored_p95_ms: p95 } = figures;
    if (p50 !== undefined && p95 !== undefined) this.stored = { name: "stored", p50, p95 };
  }

  takePainted(measured: readonly number[], at: number): void {
    for (const observedAt of measured) this.painted.add((at - observedAt) * MILLISECONDS);
  }

  get steps(): Step[] {
    const of = (name: string, window: LatencyWindow): Step => ({
      name, p50: window.percentile(0.5), p95: window.percentile(0.95),
    });
    return [of("published", this.published), this.stored, of("painted", this.painted)];
  }
}
