// What the page and the screen tell each other.

import type { Subscription } from "./connection";
import type { Given } from "./judged";
import type { Alert, Anomaly, Verdicts } from "./protocol";
import type { Stretch } from "./view";

export interface Settings extends Subscription {
  readonly gatewayPort: number;
  readonly gatewayUrl: string | null;
  /** The ends of a fixed range, in seconds; null to follow the present. */
  readonly stretch: Stretch | null;
  readonly together: boolean;
  readonly mayJudge: boolean;
  readonly verdicts: Verdicts;
  /** All that fires in the choice, null where that is not known; the live stream tells only of changes. */
  readonly alerts: readonly Alert[] | null;
  /** When that was asked for, in seconds. */
  readonly alertsAt: number;
  /** Verdicts up to this number have been dealt with. */
  readonly settled: number;
  /** A series to point at, once for each `id`. */
  readonly pointAt: { readonly id: number; readonly source: string; readonly category: string } | null;
}

/** What the page around the screen is told. */
export interface PageEvents {
  onOpen(anomaly: Anomaly): void;
  /** All that are not settled. */
  onVerdicts(given: readonly Given[]): void;
  onStretch(stretch: Stretch | null): void;
  onArrange(together: boolean): void;
  onAccountChanged(): void;
  /** The page is to say again what it knows. */
  onMissed(): void;
}
