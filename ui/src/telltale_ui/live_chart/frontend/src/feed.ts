// The anomaly feed, newest first, and the tooltip of a marker.

import { make, setHidden } from "./dom";
import { formatTime, formatUtc, formatValue } from "./format";
import { type Anomaly, anomalyKey, type Verdicts } from "./protocol";

const SHOWN = 40;

const words = (kind: string): string => {
  const text = kind.replaceAll("_", " ");
  return text.charAt(0).toUpperCase() + text.slice(1);
};

const range = (one: Anomaly): string =>
  `expected ${formatValue(one.expectedLow, one.unit)} to ${formatValue(one.expectedHigh, one.unit)}`;

export class Feed {
  readonly element: HTMLElement;
  private readonly list = make("ol", "list");
  private readonly empty = make("p", "empty", "No anomalies yet. They appear here within a second of being detected.");

  constructor(private readonly onOpen: (anomaly: Anomaly) => void) {
    this.element = make("aside", "feed", make("h3", "", "Anomalies"), this.empty, this.list);
    this.element.dataset["testid"] = "anomaly-feed";
  }

  show(anomalies: readonly Anomaly[], verdicts: Verdicts): void {
    const newest = [...anomalies].sort((a, b) => b.observedAt - a.observedAt).slice(0, SHOWN);
    setHidden(this.empty, newest.length > 0);
    this.list.replaceChildren(...newest.map((one) => this.item(one, verdicts[anomalyKey(one)])));
  }

  private item(one: Anomaly, verdict: string | undefined): HTMLElement {
    const time = make("time", "", formatTime(one.observedAt));
    time.title = formatUtc(one.observedAt);
    const head = make("span", "head", make("i", "diamond"), make("b", "", words(one.kind)), time);
    const what = make("span", "what", `${one.source} · ${one.category}: ${formatValue(one.value, one.unit)}`);
    const button = make("button", "entry", head, what, make("span", "expected", range(one)));
    if (verdict !== undefined) {
      button.classList.add(verdict);
      button.append(make("span", "verdict", words(verdict)));
    }
    button.type = "button";
    button.dataset["testid"] = "anomaly-item";
    button.title = one.explanation;
    button.onclick = () => this.onOpen(one);
    return make("li", "", button);
  }
}

export class Tooltip {
  readonly element = make("div", "tooltip");

  constructor() {
    this.element.hidden = true;
    this.element.dataset["testid"] = "anomaly-tooltip";
  }

  show(one: Anomaly | null, x: number, y: number): void {
    setHidden(this.element, one === null);
    if (one === null) return;
    this.element.replaceChildren(
      make("b", "", `${words(one.kind)}: ${formatValue(one.value, one.unit)}`),
      make("span", "", range(one)),
      make("span", "", `score ${one.score.toFixed(1)}, ${one.detector}`),
      make("span", "", one.explanation),
      make("span", "faint", `${formatTime(one.observedAt)} · ${formatUtc(one.observedAt)}`),
    );
    const { innerWidth } = window;
    const { offsetWidth, offsetHeight } = this.element;
    this.element.style.left = `${Math.max(8, Math.min(x + 12, innerWidth - offsetWidth - 8))}px`;
    this.element.style.top = `${Math.max(8, y - offsetHeight - 6)}px`;
  }
}
