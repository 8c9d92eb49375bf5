// The readings on screen as a file, with the columns that an import takes.

import type { LiveSeries } from "./model";
import type { Stretch } from "./view";

const MICROSECONDS = 1e6;

/** RFC 3339 in UTC to the microsecond. */
function instant(seconds: number): string {
  const microseconds = Math.round(seconds * MICROSECONDS);
  const whole = Math.floor(microseconds / MICROSECONDS);
  const fraction = String(microseconds - whole * MICROSECONDS).padStart(6, "0");
  return `${new Date(whole * 1000).toISOString().slice(0, 19)}.${fraction}Z`;
}

/** A cell; quoted where a comma, a quote or a line break would be misread. */
const cell = (text: string): string => (/[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);

/** One line for each reading held of `series` within a stretch, by series and time. */
export function csvOf(series: readonly LiveSeries[], [from, to]: Stretch): string {
  const lines = ["source,category,observed_at,value,unit"];
  for (const { info, samples } of series) {
    for (let row = samples.rowAt(from); row < samples.length && samples.time(row) <= to; row++) {
      const value = samples.value(row);
      if (Number.isNaN(value)) continue;
      lines.push([cell(info.source), cell(info.category), instant(samples.time(row)), String(value), cell(info.unit ?? "")].join());
    }
  }
  return `${lines.join("\r\n")}\r\n`;
}

/** Has the browser save a text as a file. */
export function save(text: string, name: string): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type: "text/csv" }));
  link.download = name;
  link.click();
  URL.revokeObjectURL(link.href);
}
