// Verdicts on their way to being stored. The page may hear only the newest of several messages, so each tells all of them.

import { type Anomaly, anomalyKey } from "./protocol";

/** A verdict, or null to take it back; the page settles them in the order of their numbers. */
export interface Given {
  readonly number: number;
  readonly anomaly: Anomaly;
  readonly verdict: string | null;
}

export class Judged {
  private readonly held = new Map<string, Given>();
  private newest = 0;

  give(anomaly: Anomaly, verdict: string | null): void {
    this.held.set(anomalyKey(anomaly), { number: ++this.newest, anomaly, verdict });
  }

  /** The verdict that was given to an anomaly and is not settled; undefined without one. */
  of(anomaly: Anomaly): string | null | undefined {
    return this.held.get(anomalyKey(anomaly))?.verdict;
  }

  /** Stored, or refused with a word to the reader: up to this number. */
  settle(number: number): void {
    this.newest = Math.max(this.newest, number);
    for (const [key, one] of this.held) if (one.number <= number) this.held.delete(key);
  }

  /** The oldest first. */
  get unsettled(): Given[] {
    return [...this.held.values()].sort((a, b) => a.number - b.number);
  }
}
