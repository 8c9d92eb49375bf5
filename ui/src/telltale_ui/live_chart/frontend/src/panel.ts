// One chart, of one series or of several of the same unit: lines with gaps, expected ranges, anomalies, a crosshair.

import uPlot from "uplot";
import type { Colours } from "./colours";
import { Columns, type Gap, pour, type Reason } from "./columns";
import { make, setText } from "./dom";
import { formatAge, formatInstants, formatTicks, formatTime, formatValue, splitValue } from "./format";
import { drawAnomalies, drawExpected, drawGaps, extent, visibleAnomalies } from "./marks";
import type { LiveSeries } from "./model";
import type { Past } from "./past";
import type { Anomaly } from "./protocol";
import type { Stretch } from "./view";

const HEIGHT = 148;
const HEIGHT_TOGETHER = 240;
const NEAR_PIXELS = 10;
/** A description for those who hear the page changes no more often than this. */
const DESCRIBE_MS = 5_000;
const GAPS_TOLD = 3;
const FONT = "11px 'Source Sans', 'Source Sans Pro', sans-serif";

export interface PanelEvents {
  /** The reader marked a stretch of time. */
  onZoom(stretch: Stretch): void;
  /** The pointer is near an anomaly of this chart, or no longer. */
  onNear(anomaly: Anomaly | null, x: number, y: number): void;
  onOpen(anomaly: Anomaly): void;
  isDismissed(anomaly: Anomaly): boolean;
}

/** What the chart shows, and how it is called. */
export interface Content {
  readonly key: string;
  readonly title: string;
  readonly subtitle: string;
  readonly series: readonly LiveSeries[];
  readonly colours: readonly string[];
}

interface Entry {
  readonly swatch: HTMLElement;
  readonly value: HTMLElement;
  readonly unit: HTMLElement;
}

export class Panel {
  readonly element: HTMLElement;
  private readonly when = make("span", "when");
  private readonly plotBox = make("div", "plot");
  private readonly entries: Entry[];
  private readonly columns: Columns[];
  private plot: uPlot;
  /** Whether the reader can see it; what nobody sees is not drawn. */
  isVisible = true;
  private cursorTime: number | null = null;
  private near: Anomaly | null = null;
  private describedAt = 0;
  /** When it was last drawn, on `performance.now()`. */
  drawnAt = 0;
  /** Whether something has changed since. */
  isStale = true;

  constructor(
    private content: Content,
    private colours: Colours,
    private readonly syncKey: string,
    private readonly past: Past,
    private readonly events: PanelEvents,
  ) {
    const { title, subtitle, series } = content;
    this.columns = series.map(() => new Columns());
    this.entries = series.map(() => ({
      swatch: make("i", "swatch"), value: make("span", "value"), unit: make("span", "unit"),
    }));
    const name = make("span", "name", make("b", "", title), make("span", "category", subtitle));
    const head = make("div", "title", name, make("span", "last", this.when));
    this.element = make("section", "panel", head);
    if (this.isTogether) {
      const items = series.map((one, place) => {
        const { swatch, value } = this.entries[place]!;
        return make("li", "", swatch, make("span", "", one.info.source), value);
      });
      this.element.append(make("ul", "legend", ...items));
    } else {
      const { swatch, value, unit } = this.entries[0]!;
      name.prepend(swatch);
      head.lastElementChild!.append(value, unit);
    }
    this.element.append(this.plotBox);
    this.element.dataset["testid"] = "live-panel";
    this.element.dataset["series"] = series.map((one) => `${one.info.source}/${one.info.category}`).join(" ");
    this.element.setAttribute("aria-label", `${title} ${subtitle}`);
    this.plotBox.setAttribute("role", "img");
    this.paintSwatches();
    this.plot = this.createPlot();
    this.plotBox.addEventListener("click", () => {
      if (this.near !== null) this.events.onOpen(this.near);
    });
  }

  get series(): readonly LiveSeries[] {
    return this.content.series;
  }

  private get isTogether(): boolean {
    return this.content.series.length > 1;
  }

  recolour(content: Content, colours: Colours): void {
    this.content = content;
    this.colours = colours;
    this.paintSwatches();
    this.plot.destroy();
    this.plot = this.createPlot();
  }

  private paintSwatches(): void {
    this.entries.forEach(({ swatch }, place) => (swatch.style.background = this.content.colours[place]!));
  }

  destroy(): void {
    this.plot.destroy();
    this.element.remove();
  }

  private get height(): number {
    return this.isTogether ? HEIGHT_TOGETHER : HEIGHT;
  }

  /** Match the width that the layout gives. */
  fit(): void {
    const width = Math.floor(this.plotBox.clientWidth);
    if (width > 0 && width !== this.plot.width) this.plot.setSize({ width, height: this.height });
  }

  /** Draws a stretch as it is known `now`; where a series has fallen silent, that is for the reason `silence`. */
  draw([from, to]: Stretch, now: number, silence: Reason): void {
    this.drawnAt = performance.now();
    this.isStale = false;
    const pixel = (to - from) / Math.max(100, this.plot.bbox.width / uPlot.pxRatio);
    this.series.forEach((series, place) => {
      const columns = this.columns[place]!;
      columns.clear();
      pour(series.samples, from, to, pixel, columns, (start, end, into, isBetween) =>
        this.past.pour(series.key, start, end, into, series.samples.gap, isBetween));
      const last = series.samples.last?.time;
      if (last === undefined || last >= to || !series.isSilent(now)) return;
      columns.gaps.push({ from: last, to: Math.min(to, now), reason: silence });
    });
    this.plot.batch(() => {
      this.plot.setData(this.data(), false);
      this.plot.setScale("x", { min: from, max: to });
    });
  }

  /** What is told in words: values and a description. */
  tell(to: number): void {
    this.showValues();
    this.describe(to);
  }

  private data(): uPlot.AlignedData {
    const tables = this.columns.map(({ times, values }): uPlot.AlignedData => [times, values]);
    return tables.length === 1 ? tables[0]! : uPlot.join(tables);
  }

  /** The newest values, or those under the crosshair. */
  private showValues(): void {
    const at = this.cursorTime;
    setText(this.when, at === null ? "" : formatTime(at));
    this.series.forEach((series, place) => {
      const { value, unit } = this.entries[place]!;
      const held = series.samples.length > 0 && at !== null && at >= series.samples.time(0);
      const pointed = at === null ? null : held ? series.samples.valueBefore(at) : this.columns[place]!.valueBefore(at);
      const shown = at === null ? series.samples.last?.value ?? null : pointed;
      const parts = shown === null ? { text: "–", unit: "" } : splitValue(shown, series.info.unit);
      setText(value, parts.text);
      setText(unit, parts.unit);
    });
  }

  /** The chart in words, for those who do not see it. */
  private describe(to: number): void {
    if (performance.now() - this.describedAt < DESCRIBE_MS && this.describedAt > 0) return;
    this.describedAt = performance.now();
    const sentences = this.series.map((series, place) => {
      const known = this.columns[place]!.values.filter((one) => one !== null);
      if (known.length === 0) return `${series.name}: no readings in view.`;
      const [low, high] = [Math.min(...known), Math.max(...known)].map((one) => formatValue(one, series.info.unit));
      const marked = visibleAnomalies(this.plot, series).length;
      const range = expectedNow(series);
      return `${series.name}: ${formatValue(known[known.length - 1]!, series.info.unit)} at ${formatTime(to)}, ` +
        `from ${low} to ${high} in view, ${range}${marked} ${marked === 1 ? "anomaly" : "anomalies"}` +
        `${gapsInWords(this.columns[place]!.gaps)}.`;
    });
    this.plotBox.setAttribute("aria-label", `Line chart. ${sentences.join(" ")}`);
  }

  private createPlot(): uPlot {
    const axis = { stroke: this.colours.faint, font: FONT, grid: { stroke: this.colours.grid, width: 1 }, ticks: { show: false } };
    const unit = this.series[0]?.info.unit ?? null;
    const lines = this.content.colours.map((stroke): uPlot.Series => ({
      stroke, width: 1.6, points: { show: false }, spanGaps: false,
    }));
    const options: uPlot.Options = {
      width: Math.max(200, Math.floor(this.plotBox.clientWidth)),
      height: this.height,
      legend: { show: false },
      padding: [10, 20, 0, 0],
      scales: { x: { time: true, auto: false }, y: { range: (plot) => extent(plot, this.series, this.columns) } },
      axes: [
        { ...axis, size: 22, space: 70, gap: 4, values: (_, ticks) => formatInstants(ticks) },
        { ...axis, size: 48, space: 34, gap: 6, values: (_, ticks) => formatTicks(ticks, unit) },
      ],
      series: [{}, ...lines],
      cursor: {
        sync: { key: this.syncKey, scales: ["x", null] },
        drag: { x: true, y: false, setScale: false },
        y: false,
        points: { size: 7 },
        bind: { dblclick: () => null },
      },
      hooks: {
        drawClear: [(plot) => this.drawBehind(plot)],
        draw: [(plot) => this.drawAbove(plot)],
        setCursor: [(plot) => this.moveCursor(plot)],
        setSelect: [(plot) => this.select(plot)],
      },
    };
    return new uPlot(options, this.data(), this.plotBox);
  }

  private drawBehind(plot: uPlot): void {
    // Of several series the gaps and ranges would cover each other.
    if (this.isTogether) return;
    drawGaps(plot, this.columns[0]!.gaps, this.colours);
    drawExpected(plot, this.series[0]!, this.content.colours[0]!);
  }

  private drawAbove(plot: uPlot): void {
    for (const series of this.series) drawAnomalies(plot, series, this.colours, (one) => this.events.isDismissed(one));
  }

  private moveCursor(plot: uPlot): void {
    const left = plot.cursor.left ?? -1;
    const pointed = left < 0 ? Number.NaN : plot.posToVal(left, "x");
    // A chart that nobody has seen yet follows the crosshair, too, but has no time axis.
    this.cursorTime = Number.isFinite(pointed) ? pointed : null;
    this.showValues();
    // Only the chart under the pointer has the event; the others follow its crosshair.
    const own = left >= 0 && plot.over.matches(":hover");
    const near = own ? this.anomalyAt(plot, left) : null;
    if (near === null && this.near === null) return;
    this.near = near;
    plot.over.style.cursor = near === null ? "" : "pointer";
    const box = plot.over.getBoundingClientRect();
    this.events.onNear(near, box.left + left, box.top);
  }

  private anomalyAt(plot: uPlot, left: number): Anomaly | null {
    let best: Anomaly | null = null;
    let bestDistance = NEAR_PIXELS;
    for (const anomaly of this.series.flatMap((series) => visibleAnomalies(plot, series))) {
      const distance = Math.abs(plot.valToPos(anomaly.observedAt, "x") - left);
      if (distance < bestDistance) [best, bestDistance] = [anomaly, distance];
    }
    return best;
  }

  private select(plot: uPlot): void {
    const { left, width } = plot.select;
    if (width < 4) return;
    const stretch: Stretch = [plot.posToVal(left, "x"), plot.posToVal(left + width, "x")];
    plot.setSelect({ left: 0, width: 0, top: 0, height: 0 }, false);
    // A chart that is made anew has no scale of time until it is drawn, so nothing was marked on it.
    if (stretch.every(Number.isFinite)) this.events.onZoom(stretch);
  }
}

/** What the detector expected last, in words; nothing while it says nothing. */
function expectedNow({ expectedLows, expectedHighs, info }: LiveSeries): string {
  const [low, high] = [expectedLows.last, expectedHighs.last];
  if (low === null || high === null) return "";
  return `expected ${formatValue(low.value, info.unit)} to ${formatValue(high.value, info.unit)}, `;
}

/** The newest gaps and how many there are besides, for the end of a sentence. */
function gapsInWords(gaps: readonly Gap[]): string {
  const told = gaps.slice(-GAPS_TOLD).map(({ from, to, reason }) => `, ${reason} for ${formatAge(to - from)}`);
  const more = gaps.length - told.length;
  return `${told.join("")}${more > 0 ? `, ${more} more ${more === 1 ? "gap" : "gaps"}` : ""}`;
}
