// The anomaly feed, newest first: what was marked and why, and a person's verdict.

import { make, setHidden, setText } from "./dom";
import { formatTime, formatUtc, formatValue } from "./format";
import type { Judged } from "./judged";
import { ANOMALIES_AT_MOST } from "./past";
import { type Anomaly, anomalyKey, type Verdicts } from "./protocol";

const SHOWN = 40;

const words = (kind: string): string => {
  const text = kind.replaceAll("_", " ");
  return text.charAt(0).toUpperCase() + text.slice(1);
};

const range = (one: Anomaly): string =>
  `expected ${formatValue(one.expectedLow, one.unit)} to ${formatValue(one.expectedHigh, one.unit)}`;

/** What the page knows of it counts more than what history told. */
export function verdictOf(one: Anomaly, verdicts: Verdicts): string | null {
  const known = verdicts[anomalyKey(one)];
  return known === undefined ? one.verdict : known;
}

export interface FeedEvents {
  onOpen(anomaly: Anomaly): void;
  /** A verdict, or null to take it back. */
  onVerdict(anomaly: Anomaly, verdict: string | null): void;
}

export class Feed {
  readonly element: HTMLElement;
  private readonly list = make("ol", "list");
  private readonly more = make("p", "more");
  private readonly empty = make("p", "empty", "No anomalies yet. They appear here within a second of being detected.");

  constructor(
    private readonly judged: Judged,
    private readonly events: FeedEvents,
  ) {
    const title = make("h3", "", "Anomalies");
    this.element = make("aside", "feed", title, this.empty, this.list, this.more);
    this.element.setAttribute("aria-label", "Anomalies");
    this.element.dataset["testid"] = "anomaly-feed";
  }

  /** Shows the newest; buttons to judge them only for those who may; `isCut` where there are more than were told. */
  show(anomalies: readonly Anomaly[], verdicts: Verdicts, mayJudge: boolean, isCut: boolean): void {
    const newest = [...anomalies].sort((a, b) => b.observedAt - a.observedAt).slice(0, SHOWN);
    setHidden(this.empty, newest.length > 0);
    setHidden(this.more, !isCut);
    setText(this.more, `There are more than ${ANOMALIES_AT_MOST} anomalies here: only the newest are marked.`);
    this.list.replaceChildren(...newest.map((one) => this.item(one, verdictOf(one, verdicts), mayJudge)));
  }

  private item(one: Anomaly, stored: string | null, mayJudge: boolean): HTMLElement {
    const given = this.judged.of(one);
    const verdict = given === undefined ? stored : given;
    const time = make("time", "", formatTime(one.observedAt));
    time.title = formatUtc(one.observedAt);
    const head = make("span", "head", make("i", "diamond"), make("b", "", words(one.kind)), time);
    const what = make("span", "what", `${one.source} · ${one.category}: ${formatValue(one.value, one.unit)}`);
    const why = make("span", "why", one.explanation || range(one));
    const button = make("button", "entry", head, what, why);
    button.type = "button";
    button.dataset["testid"] = "anomaly-item";
    button.onclick = () => this.events.onOpen(one);
    const item = make("li", verdict ?? "", button);
    if (mayJudge) item.append(this.judging(one, verdict, given !== undefined));
    else if (verdict !== null) item.append(make("span", "verdict", words(verdict)));
    return item;
  }

  private judging(one: Anomaly, verdict: string | null, isSaving: boolean): HTMLElement {
    const choices = [["confirmed", "Confirm", "Confirmed"], ["dismissed", "Dismiss", "Dismissed"]] as const;
    const buttons = choices.map(([value, action, state]) => {
      const chosen = verdict === value;
      const button = make("button", "control", chosen ? state : action);
      button.type = "button";
      button.disabled = isSaving;
      button.setAttribute("aria-pressed", String(chosen));
      button.setAttribute("aria-label", `${action} ${words(one.kind)} of ${one.source} ${one.category}`);
      button.title = chosen ? "Take this verdict back" : "";
      button.dataset["testid"] = `anomaly-${value}`;
      button.onclick = () => this.events.onVerdict(one, chosen ? null : value);
      return button;
    });
    return make("span", "judging", ...buttons);
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
