// The keyboard: a few keys, and a list of them on demand.

import { make, setHidden } from "./dom";

/** What a key does, and how that is told. */
export interface Shortcut {
  readonly keys: readonly string[];
  readonly shown: string;
  readonly meaning: string;
  readonly act: () => void;
}

const isTyping = (target: EventTarget | undefined): boolean =>
  target instanceof HTMLElement &&
  target.matches("input, textarea, select, [contenteditable], [role=combobox], [role=radio], [role=option]");

export class Shortcuts {
  readonly element = make("div", "shortcuts", make("b", "", "Keyboard"));
  private readonly listen = (event: KeyboardEvent): void => this.pressed(event);

  constructor(private readonly shortcuts: readonly Shortcut[]) {
    this.element.hidden = true;
    this.element.dataset["testid"] = "live-shortcuts";
    const all = [...shortcuts, { shown: "?", meaning: "Show or hide this list" }];
    for (const { shown, meaning } of all) this.element.append(make("span", "", make("kbd", "", shown), meaning));
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
    if (event.key === "?") this.toggle();
    if (event.key === "Escape") setHidden(this.element, true);
    const found = this.shortcuts.find((one) => one.keys.includes(event.key));
    if (found === undefined) return;
    event.preventDefault();
    found.act();
  }
}
