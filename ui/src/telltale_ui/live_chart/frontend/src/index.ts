// The component that Streamlit mounts. It is called again on every rerun: socket and charts are kept by parent element.

import { LiveScreen, type PageEvents, type Settings } from "./live";
import type { Anomaly } from "./protocol";

interface Mount {
  readonly data: Settings;
  readonly parentElement: HTMLElement | ShadowRoot;
  setTriggerValue(name: string, value: unknown): void;
}

const screens = new WeakMap<object, LiveScreen>();

export default function mount({ data, parentElement, setTriggerValue }: Mount): () => void {
  const host = parentElement instanceof ShadowRoot ? parentElement.host : parentElement;
  const page: PageEvents = {
    onOpen: (anomaly: Anomaly) =>
      setTriggerValue("anomaly", {
        source: anomaly.source,
        category: anomaly.category,
        observed_at: Math.round(anomaly.observedAt * 1e6),
        detector: anomaly.detector,
      }),
    onAccountChanged: () => setTriggerValue("account", true),
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
