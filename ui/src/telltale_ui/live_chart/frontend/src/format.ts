// Numbers and times as people read them.

/** From here on a number is written with its power of ten: all its digits would not fit. */
const LARGEST_WRITTEN_OUT = 1e9;
const SMALLEST_WRITTEN_OUT = 5e-4;
const LONGEST_TICK = 1e6;
const BYTES = ["", "k", "M", "G", "T", "P"];

function decimals(magnitude: number): number {
  if (magnitude === 0) return 0;
  if (magnitude >= 1000) return 0;
  if (magnitude >= 100) return 1;
  if (magnitude >= 1) return 2;
  return 3;
}

/** With a true minus sign, and none before a plain zero. */
const signed = (text: string): string => (text === "-0" ? "0" : text.replaceAll("-", "−"));

const powerOfTen = (value: number, digits: number): string =>
  value === 0 ? "0" : signed(value.toExponential(digits).replace("+", ""));

function byteSteps(magnitude: number): number {
  return Math.min(BYTES.length - 1, Math.max(0, Math.floor(Math.log10(Math.max(1, magnitude)) / 3)));
}

const isBytes = (unit: string | null): boolean => /^(B|bytes)(\/s)?$/.test(unit ?? "");

/** So many decimals tell multiples of `step` apart and write them out: 1 for 2.5, 2 for 0.05. */
function decimalsOf(step: number): number {
  for (let digits = 0; digits < 6; digits++) {
    if (Math.abs(Number(step.toFixed(digits)) - step) < step * 1e-6) return digits;
  }
  return 6;
}

/** Axis labels with as many decimals as their step needs; the unit stands in the title, except for bytes' prefix. */
export function formatTicks(ticks: readonly number[], unit: string | null): string[] {
  const highest = Math.max(...ticks.map(Math.abs));
  const step = ticks.length > 1 ? ticks[1]! - ticks[0]! : highest;
  const prefix = isBytes(unit) ? byteSteps(highest) : 0;
  const scale = 1000 ** prefix;
  if (highest / scale >= LONGEST_TICK) {
    const mantissa = step > 0 ? Math.min(4, Math.max(0, Math.ceil(Math.log10(highest / step)))) : 2;
    return ticks.map((one) => powerOfTen(one, mantissa));
  }
  const digits = step > 0 ? decimalsOf(step / scale) : 0;
  return ticks.map((one) => {
    const text = (one / scale).toLocaleString("en-US", { minimumFractionDigits: digits, maximumFractionDigits: digits });
    return signed(text) + (prefix > 0 ? `\u202f${BYTES[prefix]}B` : "");
  });
}

/** Value and unit apart, because the unit is set in a lighter weight. Bytes get the prefix that suits them. */
export function splitValue(value: number, unit: string | null): { text: string; unit: string } {
  let scaled = value;
  let name = unit ?? "";
  if (isBytes(unit)) {
    const prefix = byteSteps(Math.abs(value));
    scaled /= 1000 ** prefix;
    name = name.replace(/^(B|bytes)/, `${BYTES[prefix]}B`);
  }
  const magnitude = Math.abs(scaled);
  if (magnitude >= LARGEST_WRITTEN_OUT || (magnitude > 0 && magnitude < SMALLEST_WRITTEN_OUT)) {
    return { text: powerOfTen(scaled, 2), unit: name };
  }
  const digits = decimals(magnitude);
  const text = scaled.toLocaleString("en-US", { minimumFractionDigits: digits, maximumFractionDigits: digits });
  return { text: signed(text), unit: name };
}

export function formatValue(value: number, unit: string | null): string {
  const parts = splitValue(value, unit);
  return parts.unit === "" ? parts.text : `${parts.text}\u202f${parts.unit}`;
}

const clock = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });

/** Wall-clock time in the viewer's zone. */
export const formatTime = (seconds: number): string => clock.format(new Date(seconds * 1000));

const clockMinutes = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit" });
const clockDay = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short" });

/** Labels of a time axis: seconds only where they differ, the day where it begins. */
export function formatInstants(ticks: readonly number[]): string[] {
  const step = ticks.length > 1 ? ticks[1]! - ticks[0]! : 0;
  if (step < 60) return ticks.map(formatTime);
  return ticks.map((one) => {
    const at = new Date(one * 1000);
    return at.getHours() === 0 && at.getMinutes() === 0 ? clockDay.format(at) : clockMinutes.format(at);
  });
}

/** The same instant in UTC, for a tooltip. */
export const formatUtc = (seconds: number): string =>
  `${new Date(seconds * 1000).toISOString().replace("T", " ").replace("Z", "")} UTC`;

export const zoneName = (): string => Intl.DateTimeFormat().resolvedOptions().timeZone;

/** An age in words: tenths below ten seconds, then whole seconds, minutes, hours. */
export function formatAge(seconds: number): string {
  const age = Math.max(0, seconds);
  if (age < 10) return `${age.toFixed(1)} s`;
  if (age < 120) return `${Math.round(age)} s`;
  if (age < 7200) return `${Math.round(age / 60)} min`;
  return `${Math.round(age / 3600)} h`;
}

export const formatMilliseconds = (value: number | null): string =>
  value === null ? "–" : `${value < 10 ? value.toFixed(1) : Math.round(value)} ms`;
