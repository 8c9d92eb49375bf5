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

/** Instant before which readings are no longer needed, with `span` seconds in view. */
export function limitOf(span: number, now: number): number {
  if (span + MARGIN <= KEPT_AT_MOST) return now - span - MARGIN;
  return Math.floor((now - KEPT_AT_MOST) / STEP) * STEP;
}

/** The stretch of the view that a series has no readings of its own for, null when there is none. */
export function missing(samples: Samples, [from, to]: Stretch, limit: number, now: number): Stretch | null {
  const oldest = samples.length > 0 ? samples.time(0) : now;
  const until = Math.min(to, now - STORED_AFTER, Math.max(oldest, limit));
  const before: Stretch | null = until - from > SLACK ? [from, until] : null;
  const lost = samples.missed(from, Math.min(to, now - STORED_AFTER));
  if (before === null || lost === null) return before ?? lost;
  return [from, Math.max(until, lost[1])];
}
