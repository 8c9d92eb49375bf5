// The bar above the charts: badge, pause, counter of what arrived meanwhile, latency.

import { make, setHidden, setText } from "./dom";
import { formatAge, formatMilliseconds, zoneName } from "./format";
import type { LatencyWindow } from "./latency";

export type ScreenState = "connecting" | "live" | "paused" | "stale" | "reconnecting" | "signed-out";

const LABELS: Record<ScreenState, string> = {
  connecting: "Connecting",
  live: "Live",
  paused: "Paused",
  stale: "Stale",
  reconnecting: "Reconnecting",
  "signed-out": "Signed out",
};

export interface Latencies {
  readonly published: LatencyWindow;
  readonly sent: LatencyWindow;
  readonly painted: LatencyWindow;
}

export class StatusBar {
  readonly element: HTMLElement;
  private readonly label = make("b", "");
  private readonly age = make("span", "age");
  private readonly badge = make("span", "badge", make("i", "dot"), this.label, this.age);
  private readonly pause = make("button", "control");
  private readonly fresh = make("button", "control fresh");
  private readonly latency = make("span", "latency");

  constructor(onPause: () => void, onResume: () => void, onHelp: () => void) {
    this.badge.dataset["testid"] = "live-badge";
    this.badge.setAttribute("role", "status");
    const help = make("button", "control help", "?");
    help.title = "Keyboard shortcuts";
    help.onclick = onHelp;
    this.pause.type = this.fresh.type = help.type = "button";
    this.pause.dataset["testid"] = "live-pause";
    this.pause.onclick = onPause;
    this.fresh.onclick = onResume;
    this.fresh.dataset["testid"] = "live-new";
    this.fresh.title = "Show what arrived meanwhile";
    this.latency.dataset["testid"] = "live-latency";
    this.element = make("div", "bar", this.badge, this.pause, this.fresh, this.latency, help);
  }

  show(state: ScreenState, newestAge: number | null, held: boolean, fresh: number): void {
    this.badge.className = `badge ${state}`;
    setText(this.label, LABELS[state]);
    setText(this.age, newestAge === null ? "" : `newest ${formatAge(newestAge)} ago`);
    setText(this.pause, held ? "Resume" : "Pause");
    setHidden(this.fresh, !held || fresh === 0);
    setText(this.fresh, `${fresh.toLocaleString("en-US")} new`);
  }

  showLatency(latencies: Latencies): void {
    const { published, sent, painted } = latencies;
    const both = (window: LatencyWindow): string =>
      `p50 ${formatMilliseconds(window.percentile(0.5))}, p95 ${formatMilliseconds(window.percentile(0.95))}`;
    setText(this.latency, `Measured → painted ${both(painted)} · ${zoneName()}`);
    const steps = [`measured → painted: ${both(painted)}`, `measured → sent by the gateway: ${both(sent)}`];
    if (published.count > 0) steps.unshift(`measured → published: ${both(published)}`);
    this.latency.title = steps.join("\n");
  }
}
