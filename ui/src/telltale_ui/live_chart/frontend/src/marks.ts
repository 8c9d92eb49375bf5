// What is drawn on a chart's canvas besides its lines: expected ranges, stretches without readings, anomalies.

import uPlot from "uplot";
import type { Colours } from "./colours";
import type { Columns, Gap } from "./columns";
import { formatAge } from "./format";
import type { LiveSeries } from "./model";
import type { Anomaly } from "./protocol";
import type { Samples } from "./samples";

const RIBBON_PIXELS = 4;
const RIBBON_ABOVE = 8;
const MARKER_PIXELS = 5.5;
/** Where only an anomaly tells what was expected, that is drawn this many usual intervals wide. */
const BAND_INTERVALS = 3;
const LABEL_MARGIN = 12;
const FONT = "11px 'Source Sans', 'Source Sans Pro', sans-serif";

export function visibleAnomalies(plot: uPlot, series: LiveSeries): Anomaly[] {
  const { min, max } = plot.scales["x"]!;
  if (min === undefined || max === undefined) return [];
  return series.anomalies.filter((one) => one.observedAt >= min && one.observedAt <= max);
}

function clipped(plot: uPlot, draw: (ctx: CanvasRenderingContext2D) => void): void {
  const { ctx, bbox } = plot;
  ctx.save();
  ctx.beginPath();
  ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
  ctx.clip();
  draw(ctx);
  ctx.restore();
}

/** The range that the detector expected, as a band; it ends where the detector said nothing. */
export function drawExpected(plot: uPlot, series: LiveSeries, colour: string): void {
  clipped(plot, (ctx) => {
    ctx.fillStyle = colour;
    ctx.globalAlpha = 0.13;
    drawBand(plot, series.expectedLows, series.expectedHighs);
    const half = (BAND_INTERVALS * (series.samples.usualInterval ?? 1)) / 2;
    const told = series.expectedLows;
    for (const one of visibleAnomalies(plot, series)) {
      if (told.length > 0 && told.time(0) <= one.observedAt) continue;
      const left = plot.valToPos(one.observedAt - half, "x", true);
      const right = plot.valToPos(one.observedAt + half, "x", true);
      const top = plot.valToPos(one.expectedHigh, "y", true);
      ctx.fillRect(left, top, right - left, Math.max(1, plot.valToPos(one.expectedLow, "y", true) - top));
    }
  });
}

/** One polygon for each stretch in which the range was told, a corner for each pixel at most. */
function drawBand(plot: uPlot, lows: Samples, highs: Samples): void {
  const { min, max } = plot.scales["x"]!;
  if (min === undefined || max === undefined) return;
  const pixel = (max - min) / Math.max(1, plot.bbox.width);
  const end = Math.min(lows.length, lows.rowAt(max) + 1);
  let corners: number[] = [];
  let before = Number.NEGATIVE_INFINITY;
  for (let row = Math.max(0, lows.rowAt(min) - 1); row < end; row++) {
    const time = lows.time(row);
    if (time - before > Math.max(lows.gap, pixel) && corners.length > 0) {
      fillBand(plot, lows, highs, corners);
      corners = [];
    }
    if (corners.length === 0 || row === end - 1 || time - lows.time(corners[corners.length - 1]!) >= pixel) corners.push(row);
    before = time;
  }
  fillBand(plot, lows, highs, corners);
}

function fillBand(plot: uPlot, lows: Samples, highs: Samples, rows: readonly number[]): void {
  if (rows.length === 0) return;
  const { ctx } = plot;
  const x = (row: number): number => plot.valToPos(lows.time(row), "x", true);
  ctx.beginPath();
  rows.forEach((row) => ctx.lineTo(x(row), plot.valToPos(highs.value(row), "y", true)));
  for (let place = rows.length - 1; place >= 0; place--) {
    ctx.lineTo(x(rows[place]!), plot.valToPos(lows.value(rows[place]!), "y", true));
  }
  ctx.closePath();
  ctx.fill();
}

/** Stretches in which nothing was received, shaded, with how long they are where there is room to say so. */
export function drawGaps(plot: uPlot, gaps: readonly Gap[], colours: Colours): void {
  clipped(plot, (ctx) => {
    const ratio = uPlot.pxRatio;
    ctx.font = FONT.replace("11px", `${11 * ratio}px`);
    ctx.textAlign = "center";
    for (const { from, to, reason } of gaps) {
      const left = Math.max(plot.bbox.left, plot.valToPos(from, "x", true));
      const right = Math.min(plot.bbox.left + plot.bbox.width, plot.valToPos(to, "x", true));
      if (right - left < 2 * ratio) continue;
      ctx.globalAlpha = 0.09;
      ctx.fillStyle = colours.faint;
      ctx.fillRect(left, plot.bbox.top, right - left, plot.bbox.height);
      ctx.globalAlpha = 1;
      const texts = [`${reason} · ${formatAge(to - from)}`, formatAge(to - from)];
      const fitting = texts.find((text) => ctx.measureText(text).width < right - left - LABEL_MARGIN * ratio);
      if (fitting !== undefined) ctx.fillText(fitting, (left + right) / 2, plot.bbox.top + plot.bbox.height - 8 * ratio);
    }
  });
}

/** A diamond at each anomaly and a tick in the ribbon over the chart; hollow where somebody dismissed it. */
export function drawAnomalies(
  plot: uPlot, series: LiveSeries, colours: Colours, isDismissed: (one: Anomaly) => boolean,
): void {
  const { ctx } = plot;
  const ratio = uPlot.pxRatio;
  const size = MARKER_PIXELS * ratio;
  ctx.save();
  ctx.lineWidth = 1.5 * ratio;
  for (const anomaly of visibleAnomalies(plot, series)) {
    const x = plot.valToPos(anomaly.observedAt, "x", true);
    const y = plot.valToPos(anomaly.value, "y", true);
    const dismissed = isDismissed(anomaly);
    ctx.fillStyle = dismissed ? colours.faint : colours.anomaly;
    ctx.fillRect(x - ratio, plot.bbox.top - RIBBON_ABOVE * ratio, 2 * ratio, RIBBON_PIXELS * ratio);
    ctx.beginPath();
    ctx.moveTo(x, y - size);
    ctx.lineTo(x + size, y);
    ctx.lineTo(x, y + size);
    ctx.lineTo(x - size, y);
    ctx.closePath();
    ctx.fillStyle = dismissed ? colours.background : colours.anomaly;
    ctx.strokeStyle = dismissed ? colours.faint : colours.background;
    ctx.fill();
    ctx.stroke();
  }
  ctx.restore();
}

/** Lowest and highest of what a chart shows: readings, anomalies, and the expected range where that is told. */
export function extent(plot: uPlot, series: readonly LiveSeries[], columns: readonly Columns[]): [number, number] {
  let low = Number.POSITIVE_INFINITY;
  let high = Number.NEGATIVE_INFINITY;
  const take = (value: number): void => {
    if (value < low) low = value;
    if (value > high) high = value;
  };
  for (const { values } of columns) for (const value of values) if (value !== null) take(value);
  for (const one of series) {
    for (const anomaly of visibleAnomalies(plot, one)) {
      for (const value of [anomaly.expectedLow, anomaly.expectedHigh, anomaly.value]) take(value);
    }
    const { min, max } = plot.scales["x"]!;
    if (min === undefined || max === undefined) continue;
    for (const [samples, pick] of [[one.expectedLows, Math.min], [one.expectedHighs, Math.max]] as const) {
      const end = samples.rowAt(max);
      let most: number | null = null;
      for (let row = samples.rowAt(min); row < end; row++) most = pick(most ?? samples.value(row), samples.value(row));
      if (most !== null) take(most);
    }
  }
  if (low > high) return [0, 1];
  const room = (high - low) * 0.1 || Math.max(Math.abs(high) * 0.05, 0.5);
  return [low - room, high + room];
}
