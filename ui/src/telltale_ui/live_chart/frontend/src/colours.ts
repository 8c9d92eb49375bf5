// Colours of the active Streamlit theme, and the one each category is drawn in.

export interface Colours {
  readonly text: string;
  readonly faint: string;
  readonly grid: string;
  readonly background: string;
  readonly anomaly: string;
  readonly palette: readonly string[];
}

const FALLBACK = ["#0072B2", "#009E73", "#AA4A8A", "#B07D00", "#3A8FBF", "#6C4BA6"];

export function readColours(element: Element): Colours {
  const style = getComputedStyle(element);
  const read = (name: string, fallback: string): string => style.getPropertyValue(name).trim() || fallback;
  const palette = read("--st-chart-categorical-colors", "").split(",").map((one) => one.trim()).filter(Boolean);
  return {
    text: read("--st-text-color", "#222"),
    faint: read("--st-gray-text-color", "#667"),
    grid: read("--st-border-color", "#ddd"),
    background: read("--st-background-color", "#fff"),
    anomaly: read("--st-orange-color", "#C2500A"),
    palette: palette.length > 0 ? palette : FALLBACK,
  };
}

/** One colour a category, so that like is compared with like; the same on every page load. */
export function colourOf(category: string, categories: readonly string[], colours: Colours): string {
  const place = Math.max(0, categories.indexOf(category));
  return colours.palette[place % colours.palette.length]!;
}
