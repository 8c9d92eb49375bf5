// One tile a series: name, newest value, unit, and how it moved over the last minute.

import type { Reason } from "./columns";
import { make, setText } from "./dom";
import { formatAge, formatValue, splitValue } from "./format";
import type { LiveSeries } from "./model";
import type { Anomaly } from "./protocol";

const CHANGE_SECONDS = 60;

export class Tile {
  readonly element: HTMLButtonElement;
  private readonly value = make("span", "value", "–");
  private readonly unit = make("span", "unit");
  private readonly change = make("span", "change");

  constructor(
    readonly series: LiveSeries,
    onClick: () => void,
  ) {
    const { source, category } = series.info;
    const label = make("span", "label", make("b", "", source), make("span", "category", category));
    this.element = make("button", "tile", label, make("span", "figure", this.value, this.unit, this.change));
    this.element.type = "button";
    this.element.dataset["testid"] = "live-tile";
    this.element.dataset["series"] = `${source}/${category}`;
    this.element.onclick = onClick;
  }

  /** While nothing is received nobody knows whether the series is silent: only how old its value is. */
  update(now: number, silence: Reason, isDismissed: (one: Anomaly) => boolean): void {
    const { samples, info, anomalies } = this.series;
    const last = samples.last;
    if (last === null) return;
    const parts = splitValue(last.value, info.unit);
    setText(this.value, parts.text);
    setText(this.unit, parts.unit);
    const silent = this.series.isSilent(now);
    this.element.classList.toggle("silent", silent);
    setText(this.change, silent ? `${formatAge(now - last.time)} ${silence === "no readings" ? "silent" : "old"}` : this.changeText(last.time, last.value));
    const isMarked = anomalies.some((one) => now - one.observedAt < CHANGE_SECONDS && !isDismissed(one));
    this.element.classList.toggle("anomalous", isMarked);
  }

  /** How the value moved over the last minute; nothing while less than a minute is known. */
  private changeText(time: number, value: number): string {
    const { samples, info } = this.series;
    const before = samples.valueBefore(time - CHANGE_SECONDS);
    if (before === null || samples.time(0) > time - CHANGE_SECONDS + 1) return "\u00a0";
    const difference = value - before;
    const direction = difference > 0 ? "▲" : difference < 0 ? "▼" : "=";
    this.change.title = `Change over the last minute: ${formatValue(difference, info.unit)}`;
    return `${direction} ${splitValue(Math.abs(difference), info.unit).text}`;
  }
}
