// One tile a series: name, newest value, unit, and how it moved over the last minute.

import { make, setText } from "./dom";
import { formatValue, splitValue } from "./format";
import type { LiveSeries } from "./model";

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
    this.element = make("button", "tile", label, make("span", "figure", this.value, this.unit), this.change);
    this.element.type = "button";
    this.element.dataset["testid"] = "live-tile";
    this.element.dataset["series"] = `${source}/${category}`;
    this.element.onclick = onClick;
  }

  update(): void {
    const { samples, info, anomalies } = this.series;
    const last = samples.last;
    if (last === null) return;
    const parts = splitValue(last.value, info.unit);
    setText(this.value, parts.text);
    setText(this.unit, parts.unit);
    const before = samples.valueBefore(last.time - CHANGE_SECONDS);
    const known = before !== null && samples.time(0) <= last.time - CHANGE_SECONDS + 1;
    if (known) {
      const difference = last.value - before;
      const direction = difference > 0 ? "▲" : difference < 0 ? "▼" : "=";
      setText(this.change, `${direction} ${formatValue(Math.abs(difference), info.unit)} in 1 min`);
    } else {
      setText(this.change, "\u00a0");
    }
    const newest = anomalies[anomalies.length - 1];
    const alarming = newest !== undefined && last.time - newest.observedAt < CHANGE_SECONDS;
    this.element.classList.toggle("anomalous", alarming);
  }
}
