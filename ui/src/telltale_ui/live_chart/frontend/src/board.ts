// Tiles and charts of the chosen series, one each or those of a category together.

import { colourOf, type Colours } from "./colours";
import type { Reason } from "./columns";
import { make, setHidden } from "./dom";
import type { LiveSeries } from "./model";
import { type Content, Panel, type PanelEvents } from "./panel";
import type { Past } from "./past";
import { Tile } from "./tiles";
import type { Stretch } from "./view";

const PANELS_SHOWN = 24;
const SKELETONS = 4;
const FOCUS_MS = 6_000;
const FRAME_BUDGET_MS = 5;
const SHORTEST_PAUSE_MS = 100;
/** Drawing is followed by this many times as long without: on a busy machine charts get slower, not the page. */
const REST = 6;

let instances = 0;

export class Board {
  readonly tileBox = make("div", "tiles");
  readonly panelBox = make("div", "panels");
  readonly empty = make("div", "nothing");
  private readonly panels = new Map<string, Panel>();
  private readonly tiles = new Map<string, Tile>();
  private readonly seen = new IntersectionObserver((entries) => this.noteVisible(entries), { rootMargin: "40px" });
  private readonly resized = new ResizeObserver(() => this.fit());
  private restUntil = 0;
  private readonly syncKey = `telltale-${instances++}`;

  constructor(
    private readonly past: Past,
    private readonly events: PanelEvents,
    /** Something has become visible, or another size. */
    private readonly onLook: () => void,
  ) {
    this.panelBox.append(...Array.from({ length: SKELETONS }, () => make("div", "skeleton")));
    this.empty.hidden = true;
    this.resized.observe(this.panelBox);
  }

  /** Series that have a chart. */
  get shown(): LiveSeries[] {
    return [...this.panels.values()].flatMap((panel) => panel.series);
  }

  /** Seconds that one pixel of the charts stands for. */
  pixelOf([from, to]: Stretch): number {
    const first = this.panels.values().next().value;
    return (to - from) / Math.max(100, first?.element.clientWidth ?? 0);
  }

  /** Create and remove tiles and charts so that they are those of `chosen`. */
  arrange(chosen: readonly LiveSeries[], categories: readonly string[], together: boolean, colours: Colours, recolour: boolean): void {
    const shown = chosen.slice(0, PANELS_SHOWN);
    const contents = together ? grouped(shown, colours) : single(shown, categories, colours);
    const keys = new Set(contents.map((one) => one.key));
    for (const [key, panel] of this.panels) {
      if (keys.has(key)) continue;
      this.seen.unobserve(panel.element);
      panel.destroy();
      this.panels.delete(key);
    }
    contents.forEach((content, place) => {
      const known = this.panels.get(content.key);
      const panel = known ?? this.addPanel(content, colours);
      if (known !== undefined && recolour) panel.recolour(content, colours);
      put(this.panelBox, panel.element, place);
    });
    this.panelBox.classList.toggle("together", together);
    this.arrangeTiles(shown);
    this.fit();
  }

  private arrangeTiles(shown: readonly LiveSeries[]): void {
    const keys = new Set(shown.map((one) => one.key));
    for (const [key, tile] of this.tiles) {
      if (keys.has(key)) continue;
      tile.element.remove();
      this.tiles.delete(key);
    }
    shown.forEach((series, place) => {
      let tile = this.tiles.get(series.key);
      if (tile === undefined) {
        tile = new Tile(series, () => this.panelOf(series)?.element.scrollIntoView({ behavior: "smooth", block: "center" }));
        this.tiles.set(series.key, tile);
      }
      put(this.tileBox, tile.element, place);
    });
  }

  private addPanel(content: Content, colours: Colours): Panel {
    const panel = new Panel(content, colours, this.syncKey, this.past, this.events);
    this.panels.set(content.key, panel);
    this.panelBox.append(panel.element);
    this.seen.observe(panel.element);
    return panel;
  }

  private panelOf(series: LiveSeries): Panel | undefined {
    return [...this.panels.values()].find((panel) => panel.series.includes(series));
  }

  /** Bring the chart of a series into view, and point at it for a while. */
  focus(series: LiveSeries): void {
    const element = this.panelOf(series)?.element;
    if (element === undefined) return;
    element.scrollIntoView({ behavior: "smooth", block: "center" });
    element.classList.add("pointed");
    setTimeout(() => element.classList.remove("pointed"), FOCUS_MS);
  }

  endSkeletons(): void {
    for (const one of this.panelBox.querySelectorAll(".skeleton")) one.remove();
  }

  /** Instead of charts, or above them: what is the case, and what to do about it. */
  say(title: string, action: string): void {
    this.empty.replaceChildren(make("b", "", title), make("span", "", action));
    setHidden(this.empty, false);
  }

  /** Says why there is nothing to see, or less than everything. */
  explain(count: number, isFiltered: boolean): void {
    if (count > PANELS_SHOWN) {
      this.say(`${count - PANELS_SHOWN} more series`, "Choose a source or a category above to see them.");
    } else if (count > 0) {
      setHidden(this.empty, true);
    } else if (isFiltered) {
      this.say("Nothing matches this choice", "Choose other sources or categories above.");
    } else {
      this.say("No readings yet", "Start the generator or send a reading of your own; it shows up here at once.");
    }
  }

  /** Something has changed that charts show. */
  touch(): void {
    for (const panel of this.panels.values()) panel.isStale = true;
  }

  /**
   * Draws charts that are out of date, the longest waiting first. Unless it is `urgent`, only as many as an animation
   * frame has room for and none more often than an eye can tell, so that the page stays smooth.
   *
   * @returns what was painted, and whether some are still out of date
   */
  draw(stretch: Stretch, now: number, silence: Reason, urgent: boolean): { painted: number[]; isBehind: boolean } {
    const began = performance.now();
    if (!urgent && began < this.restUntil) return { painted: [], isBehind: true };
    const stale = [...this.panels.values()].filter((panel) => panel.isVisible && panel.isStale);
    stale.sort((a, b) => a.drawnAt - b.drawnAt);
    const painted: number[] = [];
    let drawn = 0;
    for (const panel of stale) {
      const at = performance.now();
      if (!urgent && (at - began > FRAME_BUDGET_MS || at - panel.drawnAt < SHORTEST_PAUSE_MS)) break;
      panel.draw(stretch, now, silence);
      drawn++;
      for (const series of panel.series) {
        painted.push(...series.unpainted);
        series.unpainted = [];
      }
    }
    const ended = performance.now();
    this.restUntil = ended + REST * (ended - began);
    return { painted, isBehind: drawn < stale.length };
  }

  /** Values, changes and silences in words; what nobody sees is not waited for. */
  tell(to: number, now: number, silence: Reason): void {
    for (const tile of this.tiles.values()) tile.update(now, silence, this.events.isDismissed);
    for (const panel of this.panels.values()) {
      if (panel.isVisible) panel.tell(to);
      else for (const series of panel.series) series.unpainted = [];
    }
  }

  private noteVisible(entries: readonly IntersectionObserverEntry[]): void {
    const visible = new Map(entries.map((entry) => [entry.target, entry.isIntersecting]));
    for (const panel of this.panels.values()) panel.isVisible = visible.get(panel.element) ?? panel.isVisible;
    this.onLook();
  }

  private fit(): void {
    for (const panel of this.panels.values()) panel.fit();
    this.onLook();
  }

  destroy(): void {
    this.resized.disconnect();
    this.seen.disconnect();
    for (const panel of this.panels.values()) panel.destroy();
  }
}

function put(box: HTMLElement, element: HTMLElement, place: number): void {
  if (box.children[place] !== element) box.insertBefore(element, box.children[place] ?? null);
}

/** A chart a series, in the colour of its category. */
function single(series: readonly LiveSeries[], categories: readonly string[], colours: Colours): Content[] {
  return series.map((one) => ({
    key: one.key,
    title: one.info.source,
    subtitle: one.info.category,
    series: [one],
    colours: [colourOf(one.info.category, categories, colours)],
  }));
}

/** A chart for what is comparable: the same category in the same unit, a colour a source. */
function grouped(series: readonly LiveSeries[], colours: Colours): Content[] {
  const groups = new Map<string, LiveSeries[]>();
  for (const one of series) {
    const key = `${one.info.category}\u0000${one.info.unit ?? ""}`;
    groups.set(key, [...(groups.get(key) ?? []), one]);
  }
  return [...groups].map(([key, members]) => ({
    key: [key, ...members.map((one) => one.info.source)].join("\u0000"),
    title: members[0]!.info.category,
    subtitle: members.length > 1 ? members[0]!.info.unit ?? "" : members[0]!.info.source,
    series: members,
    colours: members.map((_, place) => colours.palette[place % colours.palette.length]!),
  }));
}
