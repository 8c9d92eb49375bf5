// The live screen: takes frames in at any rate, draws at most once per animation frame, and stands still on demand.

import { colourOf, type Colours, readColours } from "./colours";
import { gatewayUrl, LiveConnection, type LinkState, type Subscription } from "./connection";
import { make, setHidden } from "./dom";
import { Feed, Tooltip } from "./feed";
import { LatencyWindow } from "./latency";
import { type LiveSeries, Model, silenceLimit } from "./model";
import { Panel } from "./panel";
import type { Anomaly, Frame, SeriesInfo, Verdicts } from "./protocol";
import { Shortcuts } from "./shortcuts";
import { type ScreenState, StatusBar } from "./status";
import { Tile } from "./tiles";

export interface Settings extends Subscription {
  readonly gatewayPort: number;
  readonly gatewayUrl: string | null;
  readonly verdicts: Verdicts;
}

/** What the page around the screen is told. */
export interface PageEvents {
  onOpen(anomaly: Anomaly): void;
  onAccountChanged(): void;
}

const PANELS_SHOWN = 24;
const SKELETONS = 4;
const SHORTEST_RANGE_SECONDS = 60;
const now = (): number => (performance.timeOrigin + performance.now()) / 1000;

let instances = 0;

export class LiveScreen {
  readonly element: HTMLElement;
  private readonly model = new Model();
  private readonly connection: LiveConnection;
  private readonly toggle = (): void => this.setLocked(!this.isHeld);
  private readonly resume = (): void => this.setLocked(false);
  private readonly shortcuts = new Shortcuts(this.toggle, this.resume);
  private readonly status = new StatusBar(this.toggle, this.resume, () => this.shortcuts.toggle());
  private readonly tileBox = make("div", "tiles");
  private readonly panelBox = make("div", "panels");
  private readonly feed = new Feed((anomaly) => this.page.onOpen(anomaly));
  private readonly tooltip = new Tooltip();
  private readonly empty = make("div", "nothing");
  private readonly panels = new Map<string, Panel>();
  private readonly tiles = new Map<string, Tile>();
  private readonly latencies = {
    published: new LatencyWindow(),
    sent: new LatencyWindow(),
    painted: new LatencyWindow(),
  };
  private readonly seen = new IntersectionObserver((entries) => this.noteVisible(entries), { rootMargin: "200px" });
  private readonly resized = new ResizeObserver(() => this.fit());
  private readonly ticker: ReturnType<typeof setInterval>;
  private readonly syncKey = `telltale-${instances++}`;
  // A hidden tab paints nothing, so what arrives there says nothing about painting.
  private readonly onVisibility = (): void => {
    if (document.hidden) this.unpainted = [];
  };
  private colours: Colours;
  private link: LinkState = "connecting";
  private wasSubscribed = false;
  private hovering = false;
  private locked = false;
  private frozenTo = 0;
  private zoom: [number, number] | null = null;
  private fresh = 0;
  private drawing = false;
  private anomaliesChanged = true;
  /** Instants of readings that arrived live since the last painting. */
  private unpainted: number[] = [];

  constructor(
    private settings: Settings,
    host: Element,
    public page: PageEvents,
  ) {
    this.panelBox.append(...Array.from({ length: SKELETONS }, () => make("div", "skeleton")));
    const charts = make("div", "charts", this.empty, this.panelBox);
    this.empty.hidden = true;
    this.feed.element.hidden = true;
    this.element = make(
      "div", "telltale", this.status.element, this.shortcuts.element, this.tileBox, make("div", "body", charts, this.feed.element),
      this.tooltip.element,
    );
    this.element.dataset["testid"] = "live-chart";
    this.colours = readColours(host);
    this.watchPointer();
    this.resized.observe(this.panelBox);
    this.connection = new LiveConnection(
      gatewayUrl(settings.gatewayPort, settings.gatewayUrl), settings,
      (frame) => this.receive(frame), (state) => this.setLink(state), () => this.page.onAccountChanged(),
    );
    this.ticker = setInterval(() => this.schedule(), 1000);
    document.addEventListener("visibilitychange", this.onVisibility);
    this.showStatus();
  }

  /** Take what the page asks for now; the socket stays. */
  update(settings: Settings, host: Element): void {
    const before = this.settings;
    this.settings = settings;
    const same = (a: readonly string[], b: readonly string[]): boolean => a.join("\u0000") === b.join("\u0000");
    const sameSeries = same(before.sources, settings.sources) && same(before.categories, settings.categories);
    if (!sameSeries || settings.minutes > before.minutes) this.connection.resubscribe(settings);
    if (!sameSeries || settings.minutes !== before.minutes) this.zoom = null;
    const colours = readColours(host);
    const recoloured = JSON.stringify(colours) !== JSON.stringify(this.colours);
    this.colours = colours;
    this.arrange(recoloured);
    this.anomaliesChanged = true;
    this.schedule();
  }

  destroy(): void {
    clearInterval(this.ticker);
    this.resized.disconnect();
    this.seen.disconnect();
    document.removeEventListener("visibilitychange", this.onVisibility);
    this.connection.close();
    this.shortcuts.destroy();
    for (const panel of this.panels.values()) panel.destroy();
    this.element.remove();
  }

  private get isHeld(): boolean {
    return this.hovering || this.locked;
  }

  private setLocked(locked: boolean): void {
    const wasHeld = this.isHeld;
    this.locked = locked;
    if (!locked) {
      this.hovering = false;
      this.zoom = null;
    }
    this.holdChanged(wasHeld);
  }

  private setHovering(hovering: boolean): void {
    if (hovering === this.hovering) return;
    const wasHeld = this.isHeld;
    this.hovering = hovering;
    this.holdChanged(wasHeld);
  }

  private holdChanged(wasHeld: boolean): void {
    if (this.isHeld && !wasHeld) this.frozenTo = now();
    if (!this.isHeld) this.fresh = 0;
    this.schedule();
  }

  private watchPointer(): void {
    const overPlot = (event: Event): boolean =>
      event.composedPath().some((one) => one instanceof Element && one.classList.contains("u-over"));
    this.panelBox.addEventListener("pointermove", (event) => {
      if (event.pointerType === "mouse") this.setHovering(overPlot(event));
    });
    this.panelBox.addEventListener("pointerleave", () => {
      this.setHovering(false);
      this.tooltip.show(null, 0, 0);
    });
    this.panelBox.addEventListener("click", (event) => {
      if (overPlot(event)) this.setLocked(true);
    });
    this.panelBox.addEventListener("dblclick", () => this.setLocked(false));
  }

  private setLink(link: LinkState): void {
    this.link = link;
    // The session has ended: loading the page anew shows the sign-in page, which returns here.
    if (link === "signed-out") location.reload();
    if (!this.wasSubscribed && link === "reconnecting") this.sayNotConnected();
    this.schedule();
  }

  private isChosen({ source, category }: SeriesInfo): boolean {
    const { sources, categories } = this.settings;
    return (sources.length === 0 || sources.includes(source)) &&
      (categories.length === 0 || categories.includes(category));
  }

  private get chosen(): LiveSeries[] {
    return this.model.series.filter((one) => this.isChosen(one.info));
  }

  private receive(frame: Frame): void {
    switch (frame.type) {
      case "subscribed":
        // Nothing says what happened while we were away: break the lines rather than invent values.
        if (this.wasSubscribed && !frame.recovered && frame.gap) this.model.markGap();
        this.wasSubscribed = true;
        for (const info of frame.series) this.model.find(info);
        this.arrange(false);
        break;
      case "readings":
        this.takeReadings(frame);
        break;
      case "anomalies":
        for (const one of frame.items) this.anomaliesChanged = this.model.addAnomaly(one) || this.anomaliesChanged;
        break;
      case "lag":
        this.element.dataset["dropped"] = String(Number(this.element.dataset["dropped"] ?? 0) + frame.dropped);
        break;
      default:
        return;
    }
    this.schedule();
  }

  private takeReadings(frame: Extract<Frame, { type: "readings" }>): void {
    const known = this.model.series.length;
    for (const reading of frame.readings) {
      if (!this.model.addReading(reading)) continue;
      if (this.isHeld) this.fresh++;
      if (frame.history || document.hidden) continue;
      this.unpainted.push(reading.observedAt);
      if (reading.publishedAt !== null) this.latencies.published.add((reading.publishedAt - reading.observedAt) * 1000);
      if (frame.sentAt !== null) this.latencies.sent.add((frame.sentAt - reading.observedAt) * 1000);
    }
    if (this.model.series.length !== known || this.panels.size === 0) this.arrange(false);
  }

  /** Create and remove tiles and charts so that they are those of the chosen series. */
  private arrange(recolour: boolean): void {
    const all = this.chosen;
    const shown = all.slice(0, PANELS_SHOWN);
    const keys = new Set(shown.map((one) => one.key));
    for (const [key, panel] of this.panels) {
      if (keys.has(key)) continue;
      this.seen.unobserve(panel.element);
      panel.destroy();
      this.tiles.get(key)?.element.remove();
      this.panels.delete(key);
      this.tiles.delete(key);
    }
    if (this.wasSubscribed) for (const one of this.panelBox.querySelectorAll(".skeleton")) one.remove();
    setHidden(this.feed.element, !this.wasSubscribed);
    const categories = [...new Set(this.model.series.map((one) => one.info.category))].sort();
    shown.forEach((series, place) => {
      const colour = colourOf(series.info.category, categories, this.colours);
      const panel = this.panels.get(series.key) ?? this.addPanel(series, colour);
      if (recolour) panel.recolour(colour, this.colours);
      const { element } = this.tiles.get(series.key)!;
      if (this.panelBox.children[place] !== panel.element) this.panelBox.insertBefore(panel.element, this.panelBox.children[place] ?? null);
      if (this.tileBox.children[place] !== element) this.tileBox.insertBefore(element, this.tileBox.children[place] ?? null);
    });
    this.showEmpty(all.length);
    this.fit();
  }

  private addPanel(series: LiveSeries, colour: string): Panel {
    const panel = new Panel(series, colour, this.colours, this.syncKey, {
      onZoom: (from, to) => {
        this.zoom = [from, to];
        this.setLocked(true);
      },
      onNear: (anomaly, x, y) => this.tooltip.show(anomaly, x, y),
      onOpen: (anomaly) => this.page.onOpen(anomaly),
    });
    this.panels.set(series.key, panel);
    const show = (): void => panel.element.scrollIntoView({ behavior: "smooth", block: "center" });
    this.tiles.set(series.key, new Tile(series, show));
    this.panelBox.append(panel.element);
    this.seen.observe(panel.element);
    return panel;
  }

  private noteVisible(entries: readonly IntersectionObserverEntry[]): void {
    const visible = new Map(entries.map((entry) => [entry.target, entry.isIntersecting]));
    for (const panel of this.panels.values()) panel.isVisible = visible.get(panel.element) ?? panel.isVisible;
    this.schedule();
  }

  private sayNotConnected(): void {
    const action = "It is tried again by itself. The charts appear as soon as it is there.";
    this.empty.replaceChildren(make("b", "", "No live connection yet"), make("span", "", action));
    setHidden(this.empty, false);
  }

  private showEmpty(count: number): void {
    if (!this.wasSubscribed) return;
    const filtered = this.settings.sources.length + this.settings.categories.length > 0;
    const nothing = count === 0;
    setHidden(this.empty, !(nothing || count > PANELS_SHOWN));
    const title = nothing
      ? filtered ? "Nothing matches this choice" : "No readings yet"
      : `${count - PANELS_SHOWN} more series`;
    const action = nothing
      ? filtered
        ? "Choose other sources or categories above."
        : "Start the generator or send a reading of your own; it shows up here at once."
      : "Choose a source or a category above to see them.";
    this.empty.replaceChildren(make("b", "", title), make("span", "", action));
  }

  private fit(): void {
    for (const panel of this.panels.values()) panel.fit();
    this.schedule();
  }

  private schedule(): void {
    if (this.drawing) return;
    this.drawing = true;
    requestAnimationFrame(() => this.draw());
  }

  private draw(): void {
    this.drawing = false;
    const to = this.isHeld ? this.frozenTo : now();
    const [from, until] = this.zoom ?? [this.beginning(to), to];
    for (const panel of this.panels.values()) panel.draw(from, until);
    for (const tile of this.tiles.values()) tile.update(now());
    if (this.anomaliesChanged) {
      this.anomaliesChanged = false;
      this.feed.show(this.chosen.flatMap((one) => one.anomalies), this.settings.verdicts);
    }
    this.showStatus();
    const measured = this.unpainted;
    this.unpainted = [];
    // A held chart does not paint what arrives, so there is nothing to time.
    if (measured.length > 0 && !this.isHeld) setTimeout(() => this.timePaint(measured), 0);
  }

  /** The range begins with the oldest reading when there is less than was asked for: no chart is mostly empty. */
  private beginning(to: number): number {
    const asked = to - this.settings.minutes * 60;
    return Math.max(asked, Math.min(this.model.oldest ?? asked, to - SHORTEST_RANGE_SECONDS));
  }

  /** Runs after the browser has painted the frame that shows these readings. */
  private timePaint(measured: readonly number[]): void {
    const painted = now();
    for (const observedAt of measured) this.latencies.painted.add((painted - observedAt) * 1000);
    this.status.showLatency(this.latencies);
    const { painted: window } = this.latencies;
    this.element.dataset["latencyP50Ms"] = String(Math.round(window.percentile(0.5) ?? 0));
    this.element.dataset["latencyP95Ms"] = String(Math.round(window.percentile(0.95) ?? 0));
    this.element.dataset["paintedPoints"] = String(Number(this.element.dataset["paintedPoints"] ?? 0) + measured.length);
  }

  private get state(): ScreenState {
    if (this.link !== "open") return this.link;
    if (this.isHeld) return "paused";
    const { newest } = this.model;
    return newest === null || now() - newest > silenceLimit(this.model.usualInterval) ? "stale" : "live";
  }

  private showStatus(): void {
    const { newest } = this.model;
    const { dataset } = this.element;
    this.status.show(this.state, newest === null ? null : now() - newest, this.isHeld, this.fresh);
    dataset["state"] = this.state;
    dataset["points"] = String(this.model.points);
    dataset["anomalies"] = String(this.model.anomalies);
    dataset["series"] = String(this.panels.size);
    dataset["sockets"] = String(this.connection.opened);
    dataset["new"] = String(this.fresh);
  }
}
