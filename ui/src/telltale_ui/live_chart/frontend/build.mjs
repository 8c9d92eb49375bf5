// Bundles the component into build/index-<hash>.js and .css; Streamlit wants exactly one file of each.
import { rmSync } from "node:fs";
import { build } from "esbuild";

rmSync("build", { recursive: true, force: true });
const common = { bundle: true, minify: true, outdir: "build", entryNames: "index-[hash]", target: "es2022", logLevel: "info" };
await build({ ...common, entryPoints: ["src/index.ts"], format: "esm" });
await build({ ...common, entryPoints: ["src/style.css"] });
