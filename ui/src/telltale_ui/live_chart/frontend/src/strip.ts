// A quiet strip of what fires, and a notice of a new one that goes by itself.

import { make, setHidden, setText } from "./dom";
import { formatTime } from "./format";
import type { Alert } from "./protocol";

const SHOWN = 4;
const NOTICE_MS = 8_000;

export class AlertStrip {
  readonly element = make("div", "alerts");
  readonly notice = make("div", "notice");
  private timer: ReturnType<typeof setTimeout> | undefined;

  constructor() {
    this.element.hidden = this.notice.hidden = true;
    this.element.dataset["testid"] = "live-alerts";
    this.notice.dataset["testid"] = "live-notice";
    this.notice.setAttribute("role", "alert");
  }

  show(alerts: readonly Alert[]): void {
    setHidden(this.element, alerts.length === 0);
    const more = alerts.length - SHOWN;
    const items = alerts.slice(0, SHOWN).map((one) => {
      const state = one.state === "firing" ? `since ${formatTime(one.since)}` : one.state;
      const item = make("span", `alert ${one.severity} ${one.state}`, make("i", "flag"), make("b", "", one.name), subject(one), make("span", "faint", state));
      item.title = one.explanation;
      return item;
    });
    if (more > 0) items.push(make("span", "faint", `and ${more} more`));
    const link = make("a", "", "Alerts");
    link.href = "/alerts";
    link.target = "_self";
    this.element.replaceChildren(...items, link);
  }

  /** Says that an alert has begun to fire. */
  announce(alert: Alert): void {
    const where = alert.source === "" ? "" : ` · ${alert.source} ${alert.category}`;
    setText(this.notice, `${alert.name}${where}: ${alert.explanation}`);
    this.say();
  }

  private say(): void {
    setHidden(this.notice, false);
    clearTimeout(this.timer);
    this.timer = setTimeout(() => setHidden(this.notice, true), NOTICE_MS);
  }

  destroy(): void {
    clearTimeout(this.timer);
  }
}

const subject = (one: Alert): string => (one.source === "" ? "" : `${one.source} · ${one.category}`);
