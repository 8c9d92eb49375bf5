// The live screen: takes frames in at any rate, draws at most once per animation frame, and stands still on demand.

import { Board } from "./board";
import { Clock } from "./clock";
import { type Colours, readColours } from "./colours";
import type { Reason } from "./columns";
import { gatewayUrl, LiveConnection, type LinkState } from "./connection";
import { type Intentions, keyboard, watchPointer } from "./controls";
import { csvOf, save } from "./csv";
import { make, setHidden } from "./dom";
import { Feed, Tooltip, verdictOf } from "./feed";
import { Intake, type News } from "./intake";
import { Judged } from "./judged";
import { Latencies } from "./latency";
import { type LiveSeries, Model } from "./model";
import { Past } from "./past";
import { anomaly, type SeriesInfo } from "./protocol";
import { ShownRange } from "./range";
import type { PageEvents, Settings } from "./settings";
import { type ScreenState, StatusBar } from "./status";
import { AlertStrip } from "./strip";
import { narrowed, shifted, type Stretch, View, widened } from "./view";

const LAG_SHOWN_MS = 60_000;
const LOOK_MS = 200;
const TELL_MS = 200;
const UPKEEP_MS = 1_000;

export class LiveScreen {
  readonly element: HTMLElement;
  private readonly clock = new Clock();
  private readonly model = new Model();
  private readonly view: View;
  private readonly connection: LiveConnection;
  private readonly past = new Past(
    () => this.schedule(),
    (items) => {
      this.intake.takeAnomalies(items.map(anomaly));
      this.anomaliesChanged = true;
      this.schedule();
    },
    this.clock.now,
  );
  private readonly range: ShownRange;
  private readonly board = new Board(
    this.past,
    {
      onZoom: (stretch) => this.zoomTo(stretch),
      onNear: (one, x, y) => this.tooltip.show(one, x, y),
      onOpen: (one) => this.page.onOpen(one),
      isDismissed: (one) => verdictOf(one, this.settings.verdicts) === "dismissed",
    },
    () => this.schedule(),
  );
  private readonly reader: Intentions = {
    toggle: () => (this.view.isHeld ? this.resume() : this.change(() => this.view.lock())),
    resume: () => this.resume(),
    zoomIn: () => this.zoomTo(narrowed(this.stretch)),
    zoomOut: () => this.zoomTo(widened(this.stretch, this.clock.now())),
    move: (share) => this.zoomTo(shifted(this.stretch, share, this.clock.now())),
    arrange: () => this.setTogether(!this.together),
    save: () => this.saveCsv(),
    hover: (hovering) => this.hover(hovering),
    lock: () => this.change(() => this.view.lock()),
    leave: () => {
      this.hover(false);
      this.tooltip.show(null, 0, 0);
    },
  };
  private readonly shortcuts = keyboard(this.reader);
  private readonly status = new StatusBar(this.reader, () => this.shortcuts.toggle());
  private readonly judged = new Judged();
  private readonly feed = new Feed(this.judged, {
    onOpen: (one) => this.page.onOpen(one),
    onVerdict: (one, verdict) => {
      this.judged.give(one, verdict);
      this.anomaliesChanged = true;
      this.schedule();
      this.page.onVerdicts(this.judged.unsettled);
    },
  });
  private readonly strip = new AlertStrip();
  private readonly tooltip = new Tooltip();
  private readonly latencies = new Latencies();
  private readonly news: News = {
    onSeries: () => this.arrange(),
    onAnomalies: () => (this.anomaliesChanged = true),
    onAlerts: (begun) => {
      for (const one of begun) this.strip.announce(one);
      this.showAlerts();
    },
    onMissed: () => this.page.onMissed(),
    onReadings: (count) => {
      if (this.view.isHeld) this.fresh += count;
    },
    onLag: (dropped) => {
      this.dropped += dropped;
      this.droppedAt = performance.now();
    },
  };
  private readonly intake = new Intake(this.model, this.latencies, this.news, this.clock.now);
  private readonly tickers: readonly ReturnType<typeof setInterval>[];
  // A hidden tab paints nothing, so what arrives there says nothing about painting.
  private readonly onVisibility = (): void => {
    if (document.hidden) this.model.forgetUnpainted();
  };
  private colours: Colours;
  private together: boolean;
  private link: LinkState = "connecting";
  /** Why there is no connection, once that lasts. */
  private reason = "";
  private fresh = 0;
  private dropped = 0;
  private droppedAt = 0;
  private painted = 0;
  private drawing = false;
  private drawnAt = 0;
  private toldAt = 0;
  private isUrgent = false;
  private anomaliesChanged = true;
  private pointedAt = 0;

  constructor(
    private settings: Settings,
    private host: Element,
    public page: PageEvents,
  ) {
    this.together = settings.together;
    this.view = new View(settings.minutes * 60, settings.stretch, this.clock.now);
    this.range = new ShownRange(this.view, this.model, this.past, () => this.board.shown);
    this.feed.element.hidden = true;
    const charts = make("div", "charts", this.board.empty, this.board.panelBox);
    this.element = make(
      "div", "telltale", this.status.element, this.shortcuts.element, this.strip.element, this.board.tileBox,
      make("div", "body", charts, this.feed.element), this.tooltip.element, this.strip.notice,
    );
    this.element.dataset["testid"] = "live-chart";
    this.colours = readColours(host);
    watchPointer(this.board.panelBox, this.reader);
    this.status.showArrangement(this.together);
    this.connection = new LiveConnection(
      gatewayUrl(settings.gatewayPort, settings.gatewayUrl), settings,
      (frame) => {
        if (frame.type === "readings" && !frame.history) this.clock.take(frame.sentAt);
        if (this.intake.take(frame, performance.now())) this.schedule();
      },
      (state, reason) => this.setLink(state, reason), () => this.page.onAccountChanged(),
    );
    this.tickers = [setInterval(() => this.look(), LOOK_MS), setInterval(() => this.keepUp(), UPKEEP_MS)];
    document.addEventListener("visibilitychange", this.onVisibility);
    this.settle();
    this.takeAlerts();
    this.showStatus();
  }

  /** What was not stored is shown as it was; what the page has not heard of is told again. */
  private settle(): void {
    this.judged.settle(this.settings.settled);
    if (this.judged.unsettled.length > 0) this.page.onVerdicts(this.judged.unsettled);
  }

  private takeAlerts(): void {
    const { alerts, alertsAt } = this.settings;
    if (alerts !== null) this.model.takeAlerts(alerts, alertsAt);
    this.showAlerts();
  }

  /** Of series that are not chosen the stream tells nothing: nobody would notice when their alerts are over. */
  private showAlerts(): void {
    this.strip.show(this.model.alerts.filter((one) => one.source === "" || this.isChosen(one)));
  }

  /** Take what the page asks for now; the socket stays. */
  update(settings: Settings, host: Element): void {
    const before = this.settings;
    this.settings = settings;
    this.host = host;
    const same = (a: readonly string[], b: readonly string[]): boolean => a.join("\u0000") === b.join("\u0000");
    const sameSeries = same(before.sources, settings.sources) && same(before.categories, settings.categories);
    if (!sameSeries || settings.minutes > before.minutes) this.connection.resubscribe(settings);
    else this.connection.remember(settings);
    if (settings.minutes !== before.minutes || settings.stretch?.join() !== before.stretch?.join()) {
      this.view.show(settings.minutes * 60, settings.stretch);
    }
    if (settings.together !== before.together) this.together = settings.together;
    this.settle();
    this.anomaliesChanged = true;
    this.takeAlerts();
    this.arrange();
    this.pointAt(settings.pointAt);
    this.keepUp();
    this.schedule();
  }

  destroy(): void {
    for (const ticker of this.tickers) clearInterval(ticker);
    document.removeEventListener("visibilitychange", this.onVisibility);
    this.connection.close();
    this.past.close();
    this.shortcuts.destroy();
    this.strip.destroy();
    this.board.destroy();
    this.element.remove();
  }

  // --- what the reader does

  private resume(): void {
    const wasZoomed = this.view.zoom !== null;
    this.change(() => this.view.resume());
    if (wasZoomed) this.page.onStretch(null);
  }

  private zoomTo(stretch: Stretch): void {
    this.change(() => this.view.zoomTo(stretch));
    this.page.onStretch(stretch);
  }

  private setTogether(together: boolean): void {
    this.together = together;
    this.status.showArrangement(together);
    this.arrange();
    this.schedule();
    this.page.onArrange(together);
  }

  private saveCsv(): void {
    const name = `telltale-live-${new Date().toISOString().slice(0, 19).replaceAll(":", "")}.csv`;
    save(csvOf(this.board.shown, this.stretch), name);
  }

  private change(alter: () => void): void {
    alter();
    if (!this.view.isHeld) this.fresh = 0;
    this.isUrgent = true;
    this.keepUp();
    this.schedule();
  }

  private hover(hovering: boolean): void {
    if (hovering !== this.view.isHovering) this.change(() => this.view.hover(hovering));
  }

  // --- what arrives

  private setLink(link: LinkState, reason: string): void {
    this.link = link;
    this.reason = reason;
    // The session has ended: loading the page anew shows the sign-in page, which returns here.
    if (link === "signed-out") location.reload();
    if (!this.intake.wasSubscribed && link === "reconnecting") {
      this.board.say("No live connection yet", "It is tried again by itself. The charts appear as soon as it is there.");
    }
    this.schedule();
  }

  private isChosen({ source, category }: Omit<SeriesInfo, "unit">): boolean {
    const { sources, categories } = this.settings;
    return (sources.length === 0 || sources.includes(source)) &&
      (categories.length === 0 || categories.includes(category));
  }

  private get chosen(): LiveSeries[] {
    return this.model.series.filter((one) => this.isChosen(one.info));
  }

  /** Point at a series that the page is about, once it has a chart. */
  private pointAt(target: Settings["pointAt"]): void {
    if (target === null || target.id <= this.pointedAt) return;
    const series = this.chosen.find((one) => one.info.source === target.source && one.info.category === target.category);
    if (series === undefined) return;
    this.pointedAt = target.id;
    this.board.focus(series);
  }

  // --- what is shown

  private arrange(): void {
    const colours = readColours(this.host);
    const recoloured = JSON.stringify(colours) !== JSON.stringify(this.colours);
    this.colours = colours;
    const all = this.chosen;
    const categories = [...new Set(this.model.series.map((one) => one.info.category))].sort();
    this.board.arrange(all, categories, this.together, colours, recoloured);
    if (!this.intake.wasSubscribed) return;
    this.board.endSkeletons();
    setHidden(this.feed.element, false);
    this.board.explain(all.length, this.settings.sources.length + this.settings.categories.length > 0);
  }

  private get stretch(): Stretch {
    return this.range.stretch;
  }

  /** Once a second: fetch what of the past is in view, forget what is not, follow a change of the theme. */
  private keepUp(): void {
    this.range.keepUp(this.clock.now());
    if (JSON.stringify(readColours(this.host)) !== JSON.stringify(this.colours)) this.arrange();
  }

  /** Charts move by themselves as often as that moves them by a pixel; the ages of what is shown change, too. */
  private look(): void {
    const pace = Math.min(1, this.view.isHeld ? 1 : this.board.pixelOf(this.stretch));
    if (performance.now() - this.drawnAt >= 1_000 * pace) this.schedule();
  }

  private schedule(): void {
    this.board.touch();
    this.request();
  }

  private request(): void {
    if (this.drawing) return;
    this.drawing = true;
    requestAnimationFrame(() => this.draw());
  }

  private draw(): void {
    this.drawing = false;
    this.drawnAt = performance.now();
    const stretch = this.stretch;
    const { painted, isBehind } = this.board.draw(stretch, this.clock.now(), this.silence, this.isUrgent);
    if (this.isUrgent || this.drawnAt - this.toldAt > TELL_MS) this.tell(stretch);
    this.isUrgent = false;
    // A held chart does not paint what arrives, so there is nothing to time.
    if (painted.length > 0 && !this.view.isHeld) setTimeout(() => this.timePaint(painted), 0);
    if (isBehind) this.request();
  }

  /** What is told in words changes a few times a second: nobody reads faster, and words cost a layout. */
  private tell([from, to]: Stretch): void {
    this.toldAt = this.drawnAt;
    this.board.tell(to, this.clock.now(), this.silence);
    if (this.anomaliesChanged) {
      this.anomaliesChanged = false;
      const { chosen, settings } = this;
      const isCut = this.past.lacksAnomalies(chosen.map((one) => one.info), from);
      this.feed.show(chosen.flatMap((one) => one.anomalies), settings.verdicts, settings.mayJudge, isCut);
    }
    this.status.showLatency(this.latencies.steps);
    this.showStatus();
  }

  /** Runs after the browser has painted the frame that shows these readings. */
  private timePaint(measured: readonly number[]): void {
    this.latencies.takePainted(measured, this.clock.now());
    this.painted += measured.length;
  }

  private get state(): ScreenState {
    if (this.link !== "open") return this.link;
    if (this.view.isHeld) return "paused";
    return this.model.isSilent(this.clock.now()) ? "stale" : "live";
  }

  /** Why a series says nothing any more, as far as that is known. */
  private get silence(): Reason {
    if (this.link !== "open") return "no connection";
    return this.intake.isQuiet(performance.now()) ? "not received" : "no readings";
  }

  private showStatus(): void {
    const { newest } = this.model;
    const { dataset } = this.element;
    const figures = {
      state: this.state, points: this.model.points, anomalies: this.model.anomalies, series: this.board.shown.length,
      sockets: this.connection.opened, new: this.fresh, dropped: this.dropped, paintedPoints: this.painted,
      latencyP50Ms: Math.round(this.latencies.painted.percentile(0.5) ?? 0),
      latencyP95Ms: Math.round(this.latencies.painted.percentile(0.95) ?? 0),
    };
    for (const [name, value] of Object.entries(figures)) dataset[name] = String(value);
    const age = newest === null ? null : this.clock.now() - newest;
    const lag = performance.now() - this.droppedAt < LAG_SHOWN_MS ? this.dropped : 0;
    this.status.show(this.state, this.reason, age, this.view.isHeld, this.fresh, lag);
  }
}
