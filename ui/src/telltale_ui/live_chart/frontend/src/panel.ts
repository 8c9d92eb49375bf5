// One chart of the small multiples: line with gaps, expected range, anomaly markers and ribbon.

import uPlot from "uplot";
import type { Colours } from "./colours";
import { make, setText } from "./dom";
import { formatTicks, formatTime, splitValue } from "./format";
import type { LiveSeries } from "./model";
import type { Anomaly } from "./protocol";

const HEIGHT = 148;
const NEAR_PIXELS = 10;
const RIBBON_PIXELS = 4;
const MARKER_PIXELS = 5.5;
/** An expected range is known at one instant; it is drawn this many usual intervals wide. */
const BAND_INTERVALS = 3;

export interface PanelEvents {
  /** The reader marked a stretch of time, in seconds. */
  onZoom(from: number, to: number): void;
  /** The pointer is near an anomaly of this chart, or no longer. */
  onNear(anomaly: Anomaly | null, x: number, y: number): void;
  onOpen(anomaly: Anomaly): void;
}

export class Panel {
  readonly element: HTMLElement;
  private readonly value = make("span", "value");
  private readonly unit = make("span", "unit");
  private readonly when = make("span", "when");
  private readonly plotBox = make("div", "plot");
  private plot: uPlot;
  /** Whether the reader can see it; what nobody sees is not drawn. */
  isVisible = true;
  private cursorTime: number | null = null;
  private near: Anomaly | null = null;

  constructor(
    readonly series: LiveSeries,
    private colour: string,
    private colours: Colours,
    private readonly syncKey: string,
    private readonly events: PanelEvents,
  ) {
    const { source, category } = series.info;
    const swatch = make("i", "swatch");
    swatch.style.background = colour;
    const name = make("span", "name", swatch, make("b", "", source), make("span", "category", category));
    const title = make("div", "title", name, make("span", "last", this.when, this.value, this.unit));
    this.element = make("section", "panel", title, this.plotBox);
    this.element.dataset["testid"] = "live-panel";
    this.element.dataset["series"] = `${source}/${category}`;
    this.element.setAttribute("aria-label", `${source} ${category}`);
    this.plot = this.createPlot();
    this.plotBox.addEventListener("click", () => {
      if (this.near !== null) this.events.onOpen(this.near);
    });
  }

  recolour(colour: string, colours: Colours): void {
    this.colour = colour;
    this.colours = colours;
    this.element.querySelector<HTMLElement>(".swatch")!.style.background = colour;
    this.plot.destroy();
    this.plot = this.createPlot();
  }

  destroy(): void {
    this.plot.destroy();
    this.element.remove();
  }

  /** Match the width that the layout gives. */
  fit(): void {
    const width = Math.floor(this.plotBox.clientWidth);
    if (width > 0 && width !== this.plot.width) this.plot.setSize({ width, height: HEIGHT });
  }

  draw(from: number, to: number): void {
    if (!this.isVisible) return;
    const { times, values } = this.series.samples.columns(from, to);
    this.plot.batch(() => {
      this.plot.setData([times, values], false);
      this.plot.setScale("x", { min: from, max: to });
    });
    this.showValue();
  }

  /** The newest value, or the one under the crosshair. */
  private showValue(): void {
    const last = this.series.samples.last;
    const hovered = this.cursorTime === null ? null : this.series.samples.valueBefore(this.cursorTime);
    const shown = hovered ?? last?.value ?? null;
    if (shown === null) return;
    const parts = splitValue(shown, this.series.info.unit);
    setText(this.value, parts.text);
    setText(this.unit, parts.unit);
    setText(this.when, hovered !== null && this.cursorTime !== null ? formatTime(this.cursorTime) : "");
  }

  private createPlot(): uPlot {
    const axis = {
      stroke: this.colours.faint,
      font: "11px 'Source Sans', 'Source Sans Pro', sans-serif",
      grid: { stroke: this.colours.grid, width: 1 },
      ticks: { show: false },
    };
    const { unit } = this.series.info;
    const options: uPlot.Options = {
      width: Math.max(200, Math.floor(this.plotBox.clientWidth)),
      height: HEIGHT,
      legend: { show: false },
      padding: [10, 20, 0, 0],
      scales: { x: { time: true, auto: false }, y: { range: (plot) => this.valueRange(plot) } },
      axes: [
        { ...axis, size: 22, space: 70, gap: 4, values: (_, ticks) => ticks.map(formatTime) },
        { ...axis, size: 48, space: 34, gap: 6, values: (_, ticks) => formatTicks(ticks, unit) },
      ],
      series: [
        {},
        {
          stroke: this.colour,
          width: 1.6,
          points: { show: false },
          spanGaps: false,
        },
      ],
      cursor: {
        sync: { key: this.syncKey, scales: ["x", null] },
        drag: { x: true, y: false, setScale: false },
        y: false,
        points: { size: 7 },
        bind: { dblclick: () => null },
      },
      hooks: {
        drawClear: [(plot) => this.drawExpected(plot)],
        draw: [(plot) => this.drawAnomalies(plot)],
        setCursor: [(plot) => this.moveCursor(plot)],
        setSelect: [(plot) => this.select(plot)],
      },
    };
    return new uPlot(options, [[], []], this.plotBox);
  }

  /** Readings and expected ranges in view, with room around them; never a range of height zero. */
  private valueRange(plot: uPlot): [number, number] {
    let low = Number.POSITIVE_INFINITY;
    let high = Number.NEGATIVE_INFINITY;
    for (const value of plot.data[1] ?? []) {
      if (value === null || value === undefined) continue;
      if (value < low) low = value;
      if (value > high) high = value;
    }
    for (const anomaly of this.visibleAnomalies(plot)) {
      low = Math.min(low, anomaly.expectedLow, anomaly.value);
      high = Math.max(high, anomaly.expectedHigh, anomaly.value);
    }
    if (low > high) return [0, 1];
    const room = (high - low) * 0.12 || Math.max(Math.abs(high) * 0.05, 0.5);
    return [low - room, high + room];
  }

  private visibleAnomalies(plot: uPlot): Anomaly[] {
    const { min, max } = plot.scales["x"]!;
    if (min === undefined || max === undefined) return [];
    return this.series.anomalies.filter((one) => one.observedAt >= min && one.observedAt <= max);
  }

  private drawExpected(plot: uPlot): void {
    const { ctx } = plot;
    const half = BAND_INTERVALS * (this.series.samples.usualInterval ?? 1);
    const left = plot.bbox.left;
    const right = left + plot.bbox.width;
    ctx.save();
    ctx.fillStyle = this.colour;
    ctx.globalAlpha = 0.16;
    let drawnTo = left;
    for (const anomaly of this.visibleAnomalies(plot)) {
      const from = Math.max(drawnTo, plot.valToPos(anomaly.observedAt - half, "x", true));
      const to = Math.min(right, plot.valToPos(anomaly.observedAt + half, "x", true));
      const top = plot.valToPos(anomaly.expectedHigh, "y", true);
      const bottom = plot.valToPos(anomaly.expectedLow, "y", true);
      if (to > from) ctx.fillRect(from, top, to - from, Math.max(1, bottom - top));
      drawnTo = Math.max(drawnTo, to);
    }
    ctx.restore();
  }

  private drawAnomalies(plot: uPlot): void {
    const { ctx } = plot;
    const ratio = uPlot.pxRatio;
    const size = MARKER_PIXELS * ratio;
    ctx.save();
    ctx.fillStyle = this.colours.anomaly;
    ctx.strokeStyle = this.colours.background;
    ctx.lineWidth = 1.5 * ratio;
    for (const anomaly of this.visibleAnomalies(plot)) {
      const x = plot.valToPos(anomaly.observedAt, "x", true);
      const y = plot.valToPos(anomaly.value, "y", true);
      ctx.fillRect(x - ratio, plot.bbox.top - 8 * ratio, 2 * ratio, RIBBON_PIXELS * ratio);
      ctx.beginPath();
      ctx.moveTo(x, y - size);
      ctx.lineTo(x + size, y);
      ctx.lineTo(x, y + size);
      ctx.lineTo(x - size, y);
      ctx.closePath();
      ctx.fill();
      ctx.stroke();
    }
    ctx.restore();
  }

  private moveCursor(plot: uPlot): void {
    const left = plot.cursor.left ?? -1;
    this.cursorTime = left < 0 ? null : plot.posToVal(left, "x");
    this.showValue();
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
    for (const anomaly of this.visibleAnomalies(plot)) {
      const distance = Math.abs(plot.valToPos(anomaly.observedAt, "x") - left);
      if (distance < bestDistance) [best, bestDistance] = [anomaly, distance];
    }
    return best;
  }

  private select(plot: uPlot): void {
    const { left, width } = plot.select;
    if (width < 4) return;
    const from = plot.posToVal(left, "x");
    const to = plot.posToVal(left + width, "x");
    plot.setSelect({ left: 0, width: 0, top: 0, height: 0 }, false);
    this.events.onZoom(from, to);
  }
}
