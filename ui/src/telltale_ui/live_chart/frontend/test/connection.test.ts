import assert from "node:assert/strict";
import { test } from "node:test";
import { LiveConnection, reasonOf } from "../src/connection";

const sockets: StandIn[] = [];

class StandIn {
  static readonly OPEN = 1;
  readyState = 0;
  onopen = (): void => undefined;
  onmessage = (_: { data: string }): void => undefined;
  onclose = (_: { code: number; reason: string }): void => undefined;

  constructor() {
    sockets.push(this);
  }

  send(): void {}

  close(): void {}
}

const nextSocket = async (place: number): Promise<StandIn> => {
  while (sockets[place] === undefined) await new Promise((resolve) => setTimeout(resolve, 5));
  return sockets[place];
};

test("a refusal that lasts is told with its reason, a single one is not", async () => {
  Object.assign(globalThis, {
    WebSocket: StandIn,
    window: { addEventListener: () => undefined, removeEventListener: () => undefined },
    fetch: () => Promise.resolve({ ok: true, status: 200, json: () => Promise.resolve({ token: "t", role: "USER" }) }),
  });
  const told: string[] = [];
  const subscription = { sources: [], categories: [], minutes: 5, role: "USER" };
  const connection = new LiveConnection("ws://gateway", subscription, () => undefined,
    (state, reason) => told.push(`${state} ${reason}`.trim()), () => undefined);
  for (let place = 0; place < 2; place++) {
    const socket = await nextSocket(place);
    socket.onopen();
    socket.onclose({ code: 4429, reason: "too many connections of this account" });
  }
  const last = await nextSocket(2);
  last.onopen();
  last.onmessage({ data: JSON.stringify({ type: "subscribed", position: null, recovered: true, series: [] }) });
  connection.close();
  assert.deepEqual(told, [
    "connecting", "reconnecting", "reconnecting", "reconnecting: too many connections of this account",
    "reconnecting: too many connections of this account", "open",
  ].map((one) => one.replace(":", "")));
});

test("what gives no reason has one that people understand", () => {
  assert.equal(reasonOf(1008, "too many messages", true), "too many messages");
  assert.match(reasonOf(1006, "", false), /not to this address/);
  assert.match(reasonOf(1013, "", true), /1013/);
  assert.equal(reasonOf(1006, "", true), "");
});
