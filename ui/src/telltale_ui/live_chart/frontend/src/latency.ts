// Percentiles over the newest measurements.

export class LatencyWindow {
  private readonly held: number[] = [];
  private next = 0;

  constructor(private readonly size = 600) {}

  add(milliseconds: number): void {
    this.held[this.next] = milliseconds;
    this.next = (this.next + 1) % this.size;
  }

  get count(): number {
    return this.held.length;
  }

  /** The value that `share` (0 to 1) of the measurements do not exceed (nearest rank), null without any. */
  percentile(share: number): number | null {
    if (this.held.length === 0) return null;
    const sorted = [...this.held].sort((a, b) => a - b);
    return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)]!;
  }
}
