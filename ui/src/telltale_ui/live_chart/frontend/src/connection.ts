// One WebSocket to the gateway that stays authenticated, comes back after a loss and resumes where it was.

import { decode, type Frame, type Position } from "./protocol";

export interface Subscription {
  readonly sources: readonly string[];
  readonly categories: readonly string[];
  readonly minutes: number;
}

export type LinkState = "connecting" | "open" | "reconnecting" | "signed-out";

const TOKEN_PATH = "/stream-token";
/** A session is renewed when this share of it has passed. */
const RENEW_AT = 0.75;
/** The gateway closes with this code when the role or the account has changed. */
const ACCOUNT_CHANGED = 4403;
const FIRST_DELAY_MS = 400;
const LONGEST_DELAY_MS = 8_000;
const FRAMES_PER_SECOND = 20;

class SignedOut extends Error {}

async function streamToken(): Promise<string> {
  const response = await fetch(TOKEN_PATH, { method: "POST", credentials: "same-origin", cache: "no-store" });
  if (response.status === 401) throw new SignedOut();
  if (!response.ok) throw new Error(`stream token: ${response.status}`);
  return ((await response.json()) as { token: string }).token;
}

/** Delay before the n-th attempt: exponential, half of it random, so that many browsers do not return at once. */
export function backOff(attempt: number, random: () => number = Math.random): number {
  const delay = Math.min(LONGEST_DELAY_MS, FIRST_DELAY_MS * 2 ** attempt);
  return delay / 2 + (delay / 2) * random();
}

export class LiveConnection {
  /** How many sockets were opened so far. */
  opened = 0;
  private socket: WebSocket | null = null;
  private position: Position | null = null;
  private attempt = 0;
  private retry: ReturnType<typeof setTimeout> | undefined;
  private renewal: ReturnType<typeof setInterval> | undefined;
  private closed = false;
  private readonly onOnline = (): void => {
    if (this.retry !== undefined) void this.connect();
  };

  constructor(
    private readonly url: string,
    private subscription: Subscription,
    private readonly onFrame: (frame: Frame) => void,
    private readonly onState: (state: LinkState) => void,
    private readonly onAccountChanged: () => void,
  ) {
    window.addEventListener("online", this.onOnline);
    void this.connect();
  }

  /** Ask for other series, or a longer history, on the same socket. */
  resubscribe(subscription: Subscription): void {
    this.subscription = subscription;
    this.position = null;
    if (this.socket?.readyState === WebSocket.OPEN) this.subscribe(this.socket);
  }

  close(): void {
    this.closed = true;
    window.removeEventListener("online", this.onOnline);
    clearTimeout(this.retry);
    clearInterval(this.renewal);
    this.socket?.close(1000);
  }

  private async connect(): Promise<void> {
    clearTimeout(this.retry);
    this.retry = undefined;
    this.onState(this.opened === 0 ? "connecting" : "reconnecting");
    try {
      const token = await streamToken();
      if (!this.closed) this.open(token);
    } catch (error) {
      if (error instanceof SignedOut) this.onState("signed-out");
      else this.later();
    }
  }

  private open(token: string): void {
    const socket = new WebSocket(this.url);
    this.socket = socket;
    this.opened++;
    socket.onopen = () => {
      socket.send(JSON.stringify({ type: "authenticate", token }));
      this.subscribe(socket);
    };
    socket.onmessage = (event) => this.receive(decode(event.data as string), socket);
    socket.onclose = ({ code }) => {
      clearInterval(this.renewal);
      if (this.socket !== socket || this.closed) return;
      if (code === ACCOUNT_CHANGED) this.onAccountChanged();
      this.later();
    };
  }

  private subscribe(socket: WebSocket): void {
    const { sources, categories, minutes } = this.subscription;
    const request = {
      type: "subscribe",
      sources,
      categories,
      history: `${minutes}m`,
      max_fps: FRAMES_PER_SECOND,
      ...(this.position === null ? {} : { after: this.position }),
    };
    socket.send(JSON.stringify(request));
  }

  private receive(frame: Frame, socket: WebSocket): void {
    if (frame.type === "hello") {
      clearInterval(this.renewal);
      this.renewal = setInterval(() => void this.renew(socket), frame.sessionSeconds * RENEW_AT * 1000);
    }
    if ("position" in frame && frame.position !== null) this.position = frame.position;
    if (frame.type === "subscribed") {
      this.attempt = 0;
      this.onState("open");
    }
    this.onFrame(frame);
  }

  private async renew(socket: WebSocket): Promise<void> {
    try {
      const token = await streamToken();
      if (socket.readyState === WebSocket.OPEN) socket.send(JSON.stringify({ type: "authenticate", token }));
    } catch {
      // The gateway closes the socket when its token ends; coming back then asks for a token again.
    }
  }

  private later(): void {
    if (this.closed) return;
    this.onState("reconnecting");
    clearTimeout(this.retry);
    this.retry = setTimeout(() => void this.connect(), backOff(this.attempt++));
  }
}

/** The gateway's address: the page's own host name with the gateway's port, unless an address is given. */
export function gatewayUrl(port: number, address: string | null): string {
  const scheme = location.protocol === "https:" ? "wss" : "ws";
  const base = address === null ? `${scheme}://${location.hostname}:${port}` : address.replace(/^http/, "ws");
  return `${base.replace(/\/$/, "")}/api/v1/stream`;
}
