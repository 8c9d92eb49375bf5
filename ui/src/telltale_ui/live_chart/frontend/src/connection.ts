// One WebSocket to the gateway that stays authenticated, comes back after a loss and resumes where it was.

import { decode, type Frame, type Position } from "./protocol";

export interface Subscription {
  readonly sources: readonly string[];
  readonly categories: readonly string[];
  readonly minutes: number;
  /** Of the account that the page is drawn for. */
  readonly role: string;
}

export type LinkState = "connecting" | "open" | "reconnecting" | "signed-out";

const TOKEN_PATH = "/stream-token";
/** A session is renewed when this share of it has passed. */
const RENEW_AT = 0.75;
/** A loss is told with its reason from this failure in a row on: one may be chance. */
const TOLD_FROM = 2;
/** The gateway closes with this code when the role or the account has changed. */
const ACCOUNT_CHANGED = 4403;
/** What the browser says of a connection that ended without a word. */
const ABNORMAL = 1006;
const FIRST_DELAY_MS = 400;
const LONGEST_DELAY_MS = 8_000;
const FRAMES_PER_SECOND = 20;
/** The gateway can tell no more than this of the past; the rest is REST's. */
const LONGEST_HISTORY_MINUTES = 15;
/**
 * A connection whose other end has gone says nothing, like one over which nothing happens. Heartbeats come every few
 * seconds, so after this silence the gateway is asked for its subscription again, which it answers at once ...
 */
const QUIET_MS = 7_000;
/** ... and when it does not within this time, the connection is given up. */
const ANSWER_MS = 4_000;
const LOOK_MS = 1_000;
const TOKEN_MS = 10_000;

class SignedOut extends Error {}

interface StreamToken {
  readonly token: string;
  readonly role: string;
}

async function streamToken(): Promise<StreamToken> {
  const response = await fetch(TOKEN_PATH, {
    method: "POST", credentials: "same-origin", cache: "no-store", signal: AbortSignal.timeout(TOKEN_MS),
  });
  if (response.status === 401) throw new SignedOut();
  if (!response.ok) throw new Error(`stream token: ${response.status}`);
  return (await response.json()) as StreamToken;
}

/** Delay before the n-th attempt: exponential, half of it random, so that many browsers do not return at once. */
export function backOff(attempt: number, random: () => number = Math.random): number {
  const delay = Math.min(LONGEST_DELAY_MS, FIRST_DELAY_MS * 2 ** attempt);
  return delay / 2 + (delay / 2) * random();
}

/** Why a connection ended, for people; `wasOpen` where the gateway had accepted it. */
export function reasonOf(code: number, reason: string, wasOpen: boolean): string {
  if (reason !== "") return reason;
  if (!wasOpen) return "the gateway does not answer, or not to this address";
  return code === ABNORMAL ? "" : `the gateway ended it with code ${code}`;
}

export class LiveConnection {
  /** How many sockets were opened so far. */
  opened = 0;
  private socket: WebSocket | null = null;
  private position: Position | null = null;
  private attempt = 0;
  private reason = "";
  private retry: ReturnType<typeof setTimeout> | undefined;
  private renewal: ReturnType<typeof setInterval> | undefined;
  private readonly watch: ReturnType<typeof setInterval>;
  private heardAt = 0;
  private probedAt: number | null = null;
  private closed = false;
  private readonly onOnline = (): void => {
    if (this.retry !== undefined) void this.connect();
  };
  private readonly onOffline = (): void => {
    if (this.socket?.readyState === WebSocket.OPEN) this.probe(this.socket);
  };

  constructor(
    private readonly url: string,
    private subscription: Subscription,
    private readonly onFrame: (frame: Frame) => void,
    /** Also told why, while it does not come back. */
    private readonly onState: (state: LinkState, reason: string) => void,
    private readonly onAccountChanged: () => void,
  ) {
    window.addEventListener("online", this.onOnline);
    window.addEventListener("offline", this.onOffline);
    this.watch = setInterval(() => this.look(), LOOK_MS);
    void this.connect();
  }

  /** Ask for other series, or a longer history, on the same socket. */
  resubscribe(subscription: Subscription): void {
    this.subscription = subscription;
    this.position = null;
    if (this.socket?.readyState === WebSocket.OPEN) this.subscribe(this.socket);
  }

  /** Know what the page is drawn for now; asks for nothing. */
  remember(subscription: Subscription): void {
    this.subscription = subscription;
  }

  close(): void {
    this.closed = true;
    window.removeEventListener("online", this.onOnline);
    window.removeEventListener("offline", this.onOffline);
    clearInterval(this.watch);
    clearTimeout(this.retry);
    clearInterval(this.renewal);
    this.socket?.close(1000);
  }

  private async connect(): Promise<void> {
    clearTimeout(this.retry);
    this.retry = undefined;
    this.tell(this.opened === 0 ? "connecting" : "reconnecting");
    try {
      const { token, role } = await streamToken();
      if (this.closed) return;
      // The role may have changed while nobody could tell us.
      if (role !== this.subscription.role) this.onAccountChanged();
      this.open(token);
    } catch (error) {
      if (error instanceof SignedOut) this.tell("signed-out");
      else this.later("no token for the live stream can be had right now");
    }
  }

  /** Notices a connection that is dead without having been closed, as when a cable is cut. */
  private look(): void {
    const { socket } = this;
    if (socket === null || socket.readyState > WebSocket.OPEN) return;
    const at = performance.now();
    if (this.probedAt !== null && at - this.probedAt > ANSWER_MS) this.giveUp(socket);
    else if (this.probedAt === null && at - this.heardAt > QUIET_MS) this.probe(socket);
  }

  private probe(socket: WebSocket): void {
    this.probedAt = performance.now();
    if (socket.readyState === WebSocket.OPEN) this.subscribe(socket);
  }

  private giveUp(socket: WebSocket): void {
    socket.onclose = socket.onmessage = null;
    clearInterval(this.renewal);
    socket.close();
    this.socket = this.probedAt = null;
    this.later("the gateway has fallen silent");
  }

  private open(token: string): void {
    const socket = new WebSocket(this.url);
    this.socket = socket;
    this.heardAt = performance.now();
    this.probedAt = null;
    this.opened++;
    let wasOpen = false;
    socket.onopen = () => {
      wasOpen = true;
      socket.send(JSON.stringify({ type: "authenticate", token }));
      this.subscribe(socket);
    };
    socket.onmessage = (event) => this.receive(decode(event.data as string), socket);
    socket.onclose = ({ code, reason }) => {
      if (this.socket !== socket || this.closed) return;
      clearInterval(this.renewal);
      if (code === ACCOUNT_CHANGED) this.onAccountChanged();
      this.later(reasonOf(code, reason, wasOpen));
    };
  }

  private subscribe(socket: WebSocket): void {
    const { sources, categories, minutes } = this.subscription;
    const request = {
      type: "subscribe",
      sources,
      categories,
      history: `${Math.min(Math.ceil(minutes), LONGEST_HISTORY_MINUTES)}m`,
      max_fps: FRAMES_PER_SECOND,
      ...(this.position === null ? {} : { after: this.position }),
    };
    socket.send(JSON.stringify(request));
  }

  private receive(frame: Frame, socket: WebSocket): void {
    this.heardAt = performance.now();
    this.probedAt = null;
    if (frame.type === "hello") {
      clearInterval(this.renewal);
      this.renewal = setInterval(() => void this.renew(socket), frame.sessionSeconds * RENEW_AT * 1000);
    }
    if ("position" in frame && frame.position !== null) this.position = frame.position;
    if (frame.type === "subscribed") {
      this.attempt = 0;
      this.tell("open");
    }
    this.onFrame(frame);
  }

  private async renew(socket: WebSocket): Promise<void> {
    try {
      const { token } = await streamToken();
      if (socket.readyState === WebSocket.OPEN) socket.send(JSON.stringify({ type: "authenticate", token }));
    } catch {
      // The gateway closes the socket when its token ends; coming back then asks for a token again.
    }
  }

  private tell(state: LinkState): void {
    this.onState(state, this.attempt < TOLD_FROM ? "" : this.reason);
  }

  private later(reason: string): void {
    if (this.closed) return;
    this.reason = reason;
    clearTimeout(this.retry);
    this.retry = setTimeout(() => void this.connect(), backOff(this.attempt++));
    this.tell("reconnecting");
  }
}

/** The gateway's address: the page's own host name with the gateway's port, unless an address is given. */
export function gatewayUrl(port: number, address: string | null): string {
  const scheme = location.protocol === "https:" ? "wss" : "ws";
  const base = address === null ? `${scheme}://${location.hostname}:${port}` : address.replace(/^http/, "ws");
  return `${base.replace(/\/$/, "")}/api/v1/stream`;
}
