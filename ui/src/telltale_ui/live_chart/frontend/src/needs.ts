// Which part of the past a series has to be asked for, and what of its readings may be forgotten. Pure.

import type { Samples } from "./samples";
import type { Stretch } from "./view";

/** Readings are held for this long in any case, and longer only as far back as is shown. */
const KEPT_AT_MOST = 3_600;
const MARGIN = 60;
/** A long range is forgotten in steps of this many seconds, so that the past is asked for rarely. */
const STEP = 600;
/** What has just been measured is not stored yet. */
const STORED_AFTER = 5;
/** Histories rarely begin exactly where the view does. */
const SLACK = 2;
/** An end that moves on is moved in steps of so many seconds: of a series that has nothing, and of its gaps. */
const OPEN_STEP = 60;
const GAP_STEP = 10;
/** A pause of a smaller share of the view than this cannot be seen. */
const SMALLEST_SHARE = 1 / 1_000;

/** Instant before which readings are no longer needed, with `span` seconds in view. */
export function limitOf(span: number, now: number): number {
  if (span + MARGIN <= KEPT_AT_MOST) return now - span - MARGIN;
  return Math.floor((now - KEPT_AT_MOST) / STEP) * STEP;
}

/** The stretches of the view that a series has no readings of its own for: before them, and with all gaps in them. */
export function missing(samples: Samples, [from, to]: Stretch, limit: number, now: number): Stretch[] {
  const stored = Math.min(to, now - STORED_AFTER);
  const open = to < now - OPEN_STEP ? to : floored(stored, OPEN_STEP);
  const oldest = samples.length > 0 ? samples.time(0) : open;
  const until = Math.min(stored, Math.max(oldest, limit));
  const pause = Math.max(samples.gap, SMALLEST_SHARE * (to - from));
  const gaps = samples.missed(from, floored(stored, GAP_STEP), pause);
  return [...(until - from > SLACK ? [[from, until] as const] : []), ...(gaps === null ? [] : [gaps])];
}

const floored = (time: number, step: number): number => Math.floor(time / step) * step;
