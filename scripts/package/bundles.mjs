// Bundles a program that uses the package, as in docs/bundling.md, and checks the error if the package is bundled as well.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, expectPicture, install, project, run } from "./sandbox.mjs";

const PROGRAM = `import { DiffusionPipeline } from "darkroom";
async function main() {
  const pipe = await DiffusionPipeline.fromPretrained("node_modules/darkroom/models/emoji-64");
  const { images } = await pipe.generate({ prompt: "a panda", numInferenceSteps: 1, seed: 0 });
  await images[0].save(process.argv[2]);
  await pipe.dispose();
}
main().catch(({ name, message, hint }) => console.log([name, message, hint].join("\\n")));
`;

const WEBPACK = `const webpack = require("webpack");
const [, , context] = process.argv;
const options = {
  context, mode: "development", devtool: false, target: "node20.9", entry: "./program.mjs",
  output: { path: context, filename: "webpack.cjs" },
  externals: { darkroom: "import darkroom" },
};
webpack(options, (error, stats) => {
  if (error ?? stats.hasErrors()) throw error ?? new Error(stats.toString());
});
`;

/** `app` has the package installed. */
export function inBundles(app) {
  writeFileSync(join(app, "program.mjs"), PROGRAM);
  const tools = project("bundlers", { "webpack.cjs": WEBPACK });
  install(tools, ["esbuild@0.28.2", "webpack@5.113.0"]);
  const esbuild = (format, out, ...args) =>
    run(
      join(tools, "node_modules/.bin/esbuild"),
      ["program.mjs", "--bundle", "--platform=node", "--log-level=error", `--format=${format}`, `--outfile=${out}`, ...args],
      { cwd: app },
    );
  esbuild("esm", "external.mjs", "--external:darkroom");
  esbuild("cjs", "external.cjs", "--external:darkroom");
  run("node", ["webpack.cjs", app], { cwd: tools });
  for (const bundle of ["external.mjs", "external.cjs", "webpack.cjs"]) {
    const printed = run("node", [bundle, `${bundle}.png`], { cwd: app });
    expect(printed === "", `${bundle} printed ${printed}`);
    expectPicture(app, `${bundle}.png`);
  }

  // A bundled package does not find its files: the error comes at once.
  esbuild("esm", "inside.mjs", "--external:sharp");
  esbuild("cjs", "inside.cjs", "--external:sharp");
  for (const bundle of ["inside.mjs", "inside.cjs"]) {
    const printed = run("node", [bundle, "none.png"], { cwd: app });
    const isClear =
      printed.startsWith("DeviceError\nDarkroom cannot find its file dist/platform/node/worker.js: ") &&
      printed.includes("--external:darkroom");
    expect(isClear, `${bundle} printed ${printed}`);
  }
}
