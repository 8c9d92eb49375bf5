// Numbers and times as people read them.

const BYTES = ["", "k", "M", "G", "T", "P"];

function decimals(magnitude: number): number {
  if (magnitude >= 1000) return 0;
  if (magnitude >= 100) return 1;
  if (magnitude >= 1) return 2;
  return 3;
}

/** Value and unit apart, because the unit is set in a lighter weight. Bytes get the prefix that suits them. */
export function splitValue(value: number, unit: string | null): { text: string; unit: string } {
  let scaled = value;
  let name = unit ?? "";
  if (/^(B|bytes)(\/s)?$/.test(name)) {
    let step = 0;
    while (Math.abs(scaled) >= 1000 && step < BYTES.length - 1) {
      scaled /= 1000;
      step++;
    }
    name = name.replace(/^(B|bytes)/, `${BYTES[step]}B`);
  }
  const digits = decimals(Math.abs(scaled));
  const text = scaled.toLocaleString("en-US", { minimumFractionDigits: digits, maximumFractionDigits: digits });
  return { text: text.replace("-", "−"), unit: name };
}

export function formatValue(value: number, unit: string | null): string {
  const parts = splitValue(value, unit);
  return parts.unit === "" ? parts.text : `${parts.text}\u202f${parts.unit}`;
}

const clock = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });

/** Wall-clock time in the viewer's zone. */
export const formatTime = (seconds: number): string => clock.format(new Date(seconds * 1000));

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
