// The bar above the charts: badge, pause, counter of what arrived meanwhile, what else one can do, latency.

import type { Intentions } from "./controls";
import { make, setHidden, setText } from "./dom";
import { formatAge, formatMilliseconds, zoneName } from "./format";
import type { Step } from "./latency";

export type ScreenState = "connecting" | "live" | "paused" | "stale" | "reconnecting" | "signed-out";

const LABELS: Record<ScreenState, string> = {
  connecting: "Connecting",
  live: "Live",
  paused: "Paused",
  stale: "Stale",
  reconnecting: "Reconnecting",
  "signed-out": "Signed out",
};

function control(text: string, testId: string, title: string, onClick: () => void): HTMLButtonElement {
  const button = make("button", "control", text);
  button.type = "button";
  button.title = title;
  button.dataset["testid"] = testId;
  button.onclick = onClick;
  return button;
}

export class StatusBar {
  readonly element: HTMLElement;
  private readonly label = make("b", "");
  private readonly age = make("span", "age");
  private readonly badge: HTMLElement;
  private readonly pause: HTMLButtonElement;
  private readonly fresh: HTMLButtonElement;
  private readonly arrange: HTMLButtonElement;
  private readonly lag = make("span", "lag");
  private readonly latency = make("span", "latency");

  constructor(reader: Intentions, onHelp: () => void) {
    // Only the word is announced: an age that changes every second would never let a screen reader rest.
    this.label.setAttribute("role", "status");
    this.badge = make("span", "badge", make("i", "dot"), this.label, this.age);
    this.badge.dataset["testid"] = "live-badge";
    this.pause = control("Pause", "live-pause", "Hold the charts still (p)", () => reader.toggle());
    this.fresh = control("", "live-new", "Show what arrived meanwhile (Esc)", () => reader.resume());
    this.fresh.classList.add("fresh");
    this.arrange = control("", "live-arrange", "One chart a series, or one a category (o)", () => reader.arrange());
    const save = control("Save CSV", "live-save", "The readings on screen as a file (s)", () => reader.save());
    const help = control("?", "live-help", "Keyboard shortcuts (?)", onHelp);
    help.setAttribute("aria-label", "Keyboard shortcuts");
    help.classList.add("help");
    this.latency.dataset["testid"] = "live-latency";
    const right = make("span", "right", this.arrange, save, help);
    this.element = make("div", "bar", this.badge, this.pause, this.fresh, this.lag, right, this.latency);
    this.lag.dataset["testid"] = "live-lag";
  }

  show(state: ScreenState, reason: string, newestAge: number | null, held: boolean, fresh: number, dropped: number): void {
    this.badge.className = `badge ${state}`;
    setText(this.label, reason === "" ? LABELS[state] : `${LABELS[state]}: ${reason}`);
    setText(this.age, newestAge === null ? "" : `newest ${formatAge(newestAge)} ago`);
    setText(this.pause, held ? "Resume" : "Pause");
    setHidden(this.fresh, !held || fresh === 0);
    setHidden(this.lag, dropped === 0);
    setText(this.lag, `This browser fell behind: ${dropped.toLocaleString("en-US")} readings came late or are shown thinned`);
    setText(this.fresh, `${fresh.toLocaleString("en-US")} new`);
  }

  showArrangement(together: boolean): void {
    setText(this.arrange, together ? "One by one" : "Overlay");
    this.arrange.setAttribute("aria-pressed", String(together));
  }

  /** Each step's p50 and p95 since the reading was measured. */
  showLatency(steps: readonly Step[]): void {
    const known = steps.filter((one) => one.p50 !== null);
    const parts = known.map(({ name, p50, p95 }) => `${name} ${formatMilliseconds(p50)} / ${formatMilliseconds(p95)}`);
    setText(this.latency, known.length === 0 ? zoneName() : `Measured → ${parts.join(" → ")}  (p50 / p95) · ${zoneName()}`);
  }
}
