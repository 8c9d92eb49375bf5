// The component that Streamlit mounts. It is called again on every rerun: socket and charts are kept by parent element.

import { LiveScreen, type Settings } from "./live";
import type { Anomaly } from "./protocol";

interface Mount {
  readonly data: Settings;
  readonly parentElement: HTMLElement | ShadowRoot;
  setTriggerValue(name: string, value: unknown): void;
}

const screens = new WeakMap<object, LiveScreen>();

export default function mount({ data, parentElement, setTriggerValue }: Mount): () => void {
  const host = parentElement instanceof ShadowRoot ? parentElement.host : parentElement;
  const open = (anomaly: Anomaly): void =>
    setTriggerValue("anomaly", {
      source: anomaly.source,
      category: anomaly.category,
      observed_at: Math.round(anomaly.observedAt * 1e6),
      detector: anomaly.detector,
    });
  let screen = screens.get(parentElement);
  if (screen === undefined) {
    screen = new LiveScreen(data, host, open);
    screens.set(parentElement, screen);
    parentElement.append(screen.element);
  } else {
    screen.onOpen = open;
    screen.update(data, host);
  }
  const mounted = screen;
  return () => {
    mounted.destroy();
    screens.delete(parentElement);
  };
}
