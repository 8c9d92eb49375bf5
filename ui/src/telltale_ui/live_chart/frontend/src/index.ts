// The component that Streamlit mounts. It is called again on every rerun: socket and charts are kept by parent element.

import { LiveScreen } from "./live";
import type { Anomaly } from "./protocol";
import type { PageEvents, Settings } from "./settings";

interface Mount {
  readonly data: Settings;
  readonly parentElement: HTMLElement | ShadowRoot;
  setTriggerValue(name: string, value: unknown): void;
}

const screens = new WeakMap<object, LiveScreen>();

export default function mount({ data, parentElement, setTriggerValue }: Mount): () => void {
  const host = parentElement instanceof ShadowRoot ? parentElement.host : parentElement;
  const identity = (one: Anomaly): Record<string, unknown> => ({
    source: one.source,
    category: one.category,
    observed_at: Math.round(one.observedAt * 1e6),
    detector: one.detector,
  });
  const page: PageEvents = {
    onOpen: (one) => setTriggerValue("anomaly", identity(one)),
    onVerdicts: (given) => setTriggerValue("verdicts", {
      given: given.map(({ number, anomaly, verdict }) => ({ ...identity(anomaly), number, verdict })),
    }),
    onStretch: (stretch) => setTriggerValue("stretch", { ends: stretch }),
    onArrange: (together) => setTriggerValue("arrangement", { together }),
    onAccountChanged: () => setTriggerValue("account", true),
    onMissed: () => setTriggerValue("missed", true),
  };
  let screen = screens.get(parentElement);
  if (screen === undefined) {
    screen = new LiveScreen(data, host, page);
    screens.set(parentElement, screen);
    parentElement.append(screen.element);
  } else {
    screen.page = page;
    screen.update(data, host);
  }
  const mounted = screen;
  return () => {
    mounted.destroy();
    screens.delete(parentElement);
  };
}
