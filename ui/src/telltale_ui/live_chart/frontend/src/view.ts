// Which stretch of time the charts show: it follows the present, stands still while somebody looks, or is a fixed one.

export type Stretch = readonly [from: number, to: number];

export class View {
  private hovering = false;
  private locked = false;
  private frozenTo = 0;
  private zoomed: Stretch | null = null;

  /**
   * @param span seconds shown while following
   * @param fixed the stretch that the page asks for instead, null to follow
   * @param now the present, in seconds
   */
  constructor(
    public span: number,
    private fixed: Stretch | null,
    private readonly now: () => number,
  ) {}

  /** Whether the charts stand still. */
  get isHeld(): boolean {
    return this.hovering || this.locked || this.zoom !== null;
  }

  /** The fixed stretch that is shown, by the page or by zooming; null otherwise. */
  get zoom(): Stretch | null {
    return this.zoomed ?? this.fixed;
  }

  get isHovering(): boolean {
    return this.hovering;
  }

  /** What the page asks for from now on. */
  show(span: number, fixed: Stretch | null): void {
    this.span = span;
    this.change(() => {
      this.fixed = fixed;
      this.zoomed = null;
    });
  }

  hover(hovering: boolean): void {
    this.change(() => (this.hovering = hovering));
  }

  lock(): void {
    this.change(() => (this.locked = true));
  }

  zoomTo(stretch: Stretch): void {
    this.change(() => (this.zoomed = stretch));
  }

  /** Follow the present again. */
  resume(): void {
    this.hovering = this.locked = false;
    this.zoomed = this.fixed = null;
  }

  private change(alter: () => void): void {
    const was = this.isHeld;
    alter();
    if (!was && this.isHeld) this.frozenTo = this.now();
  }

  /** What is shown; `oldest` is where there is anything at all: no chart is mostly empty. */
  stretch(oldest: number | null, shortest: number): Stretch {
    if (this.zoom !== null) return this.zoom;
    const to = this.isHeld ? this.frozenTo : this.now();
    const asked = to - this.span;
    return [Math.max(asked, Math.min(oldest ?? asked, to - shortest)), to];
  }
}

/** Twice as much around the same middle, but not beyond `now` unless it reached there already. */
export function widened([from, to]: Stretch, now: number): Stretch {
  const by = (to - from) / 2;
  return [from - by, Math.max(to, Math.min(to + by, now))];
}

/** Half of it, around the same middle. */
export function narrowed([from, to]: Stretch): Stretch {
  const by = (to - from) / 4;
  return [from + by, to - by];
}

/** The stretch `share` of its own width later, but not into the future. */
export function shifted([from, to]: Stretch, share: number, now: number): Stretch {
  const by = Math.min((to - from) * share, Math.max(0, now - to));
  return [from + by, to + by];
}
