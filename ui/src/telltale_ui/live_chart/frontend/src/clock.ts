// The present, by the system's clock: that of the computer may be wrong, and its own counters stop while it sleeps.

const WINDOW_MS = 60_000;
/** When the computer's clock and its counter differ by more than before, somebody has set the clock, or it slept. */
const JUMP_MS = 500;

export class Clock {
  /**
   * What the system's clock said more than ours when a frame came, in seconds; the largest is of the fastest frame, and
   * stands first: what is smaller than something newer will never count.
   */
  private told: { readonly at: number; readonly ahead: number }[] = [];
  private ahead = 0;
  private drift: number;

  constructor(
    /** The computer's clock, in ms since 1970 UTC. */
    private readonly date: () => number = Date.now,
    /** Goes on evenly, in ms. */
    private readonly counter: () => number = () => performance.now(),
  ) {
    this.drift = date() - counter();
  }

  /** Seconds since 1970 UTC. */
  readonly now = (): number => this.date() / 1_000 + this.ahead;

  /** Takes the instant at which a frame that has just come was sent, in seconds. */
  take(sentAt: number): void {
    const [date, at] = [this.date(), this.counter()];
    if (Math.abs(date - at - this.drift) > JUMP_MS) this.told = [];
    this.drift = date - at;
    const ahead = sentAt - date / 1_000;
    this.told = this.told.filter((one) => at - one.at < WINDOW_MS && one.ahead > ahead);
    this.told.push({ at, ahead });
    this.ahead = this.told[0]!.ahead;
  }
}
