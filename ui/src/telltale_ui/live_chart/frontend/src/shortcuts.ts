// The keyboard: a few keys, and a list of them on demand.

import { make, setHidden } from "./dom";

const KEYS: readonly (readonly [string, string])[] = [
  ["p", "Pause or resume"],
  ["Esc", "Back to live, zoomed out"],
  ["?", "Show or hide this list"],
];

const isTyping = (target: EventTarget | undefined): boolean =>
  target instanceof HTMLElement && target.matches("input, textarea, select, [contenteditable], [role=combobox]");

export class Shortcuts {
  readonly element = make("div", "shortcuts", make("b", "", "Keyboard"));
  private readonly listen = (event: KeyboardEvent): void => this.pressed(event);

  constructor(
    private readonly onPause: () => void,
    private readonly onResume: () => void,
  ) {
    this.element.hidden = true;
    this.element.dataset["testid"] = "live-shortcuts";
    for (const [key, meaning] of KEYS) this.element.append(make("span", "", make("kbd", "", key), meaning));
    document.addEventListener("keydown", this.listen);
  }

  toggle(): void {
    setHidden(this.element, !this.element.hidden);
  }

  destroy(): void {
    document.removeEventListener("keydown", this.listen);
  }

  private pressed(event: KeyboardEvent): void {
    if (event.ctrlKey || event.metaKey || event.altKey || isTyping(event.composedPath()[0])) return;
    if (document.querySelector("[role=dialog]") !== null) return;
    if (event.key === "p") this.onPause();
    else if (event.key === "?") this.toggle();
    else if (event.key === "Escape") {
      setHidden(this.element, true);
      this.onResume();
    }
  }
}
