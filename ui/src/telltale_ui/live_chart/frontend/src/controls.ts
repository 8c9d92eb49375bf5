// What the reader does with keyboard and pointer, as what it means.

import { Shortcuts } from "./shortcuts";

export interface Intentions {
  /** Hold the charts still, or let them go on. */
  toggle(): void;
  resume(): void;
  zoomIn(): void;
  zoomOut(): void;
  /** Move by a share of what is shown; negative is earlier. */
  move(share: number): void;
  arrange(): void;
  save(): void;
  /** The pointer is over a chart, or no longer. */
  hover(hovering: boolean): void;
  /** Keep the charts as they are, also when the pointer leaves. */
  lock(): void;
  leave(): void;
}

export function keyboard(reader: Intentions): Shortcuts {
  return new Shortcuts([
    { keys: ["p"], shown: "p", meaning: "Pause or resume", act: () => reader.toggle() },
    { keys: ["Escape"], shown: "Esc", meaning: "Back to live", act: () => reader.resume() },
    { keys: ["+", "="], shown: "+", meaning: "Zoom in", act: () => reader.zoomIn() },
    { keys: ["-"], shown: "−", meaning: "Zoom out", act: () => reader.zoomOut() },
    { keys: ["ArrowLeft"], shown: "←", meaning: "Earlier", act: () => reader.move(-0.5) },
    { keys: ["ArrowRight"], shown: "→", meaning: "Later", act: () => reader.move(0.5) },
    { keys: ["o"], shown: "o", meaning: "Overlay, or one by one", act: () => reader.arrange() },
    { keys: ["s"], shown: "s", meaning: "Save the readings on screen", act: () => reader.save() },
  ]);
}

/** Hover holds, a click locks, a double click resumes. */
export function watchPointer(charts: HTMLElement, reader: Intentions): void {
  const overPlot = (event: Event): boolean =>
    event.composedPath().some((one) => one instanceof Element && one.classList.contains("u-over"));
  charts.addEventListener("pointermove", (event) => {
    if (event.pointerType === "mouse") reader.hover(overPlot(event));
  });
  charts.addEventListener("pointerleave", () => reader.leave());
  charts.addEventListener("click", (event) => {
    if (overPlot(event)) reader.lock();
  });
  charts.addEventListener("dblclick", () => reader.resume());
}
