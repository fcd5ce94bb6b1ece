// Bundles a program that uses the package, as in docs/bundling.md, and checks the error if the package is bundled as well.
import { statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, expectPicture, install, project, run } from "./sandbox.mjs";

const PROGRAM = `import { DiffusionPipeline } from "darkroom";
async function main() {
  const pipe = await DiffusionPipeline.fromPretrained("node_modules/darkroom/models/emoji-128");
  const { images } = await pipe.generate({ prompt: "a panda", numInferenceSteps: 1, seed: 0 });
  await images[0].save(process.argv[2]);
  await pipe.dispose();
}
main().catch(({ name, message, hint }) => console.log([name, message, hint].join("\\n")));
`;

/** Makes a run of three steps, with the module that `from` names and no other. */
const SCHEDULER = (from) => `import { DDIMScheduler } from "${from}";
const scheduler = new DDIMScheduler();
scheduler.setTimesteps(3);
console.log(scheduler.timesteps.join());
`;

/** Opens a folder by its path, for which a bundle needs the hub's modules. */
const OPENS_PATH = `import "darkroom/from-pretrained";
import { DDIMScheduler } from "darkroom";
const from = { subfolder: "scheduler" };
DDIMScheduler.fromPretrained("node_modules/darkroom/models/emoji-128", from).then((scheduler) => console.log(scheduler.className));
`;

const WEBPACK = `const webpack = require("webpack");
const [, , context, entry, filename, mode, external] = process.argv;
const options = {
  context, mode, devtool: false, target: "node20.9", entry, output: { path: context, filename },
  externals: { [external]: "import " + external },
};
webpack(options, (error, stats) => {
  if (error ?? stats.hasErrors()) throw error ?? new Error(stats.toString());
});
`;

/** Kilobytes of a minified bundle of one scheduler: alone, and from the main entry, of which esbuild keeps what opens checkpoints. */
const LARGEST_PART = 80;
const LARGEST_WHOLE = 360;

/** `app` has the package installed. */
export function inBundles(app) {
  writeFileSync(join(app, "program.mjs"), PROGRAM);
  const tools = project("bundlers", { "webpack.cjs": WEBPACK });
  install(tools, ["esbuild@0.28.2", "webpack@5.113.0"]);
  const esbuild = (entry, out, ...args) =>
    run(join(tools, "node_modules/.bin/esbuild"), [entry, "--bundle", "--log-level=error", `--outfile=${out}`, ...args], { cwd: app });
  esbuild("program.mjs", "external.mjs", "--platform=node", "--format=esm", "--external:darkroom");
  esbuild("program.mjs", "external.cjs", "--platform=node", "--format=cjs", "--external:darkroom");
  const webpack = (entry, out, mode, external) => run("node", ["webpack.cjs", app, entry, out, mode, external], { cwd: tools });
  webpack("./program.mjs", "webpack.cjs", "development", "darkroom");
  for (const bundle of ["external.mjs", "external.cjs", "webpack.cjs"]) {
    const printed = run("node", [bundle, `${bundle}.png`], { cwd: app });
    expect(printed === "", `${bundle} printed ${printed}`);
    expectPicture(app, `${bundle}.png`);
  }

  // A bundled package does not find its files: the error comes at once.
  esbuild("program.mjs", "inside.mjs", "--platform=node", "--format=esm", "--external:sharp");
  esbuild("program.mjs", "inside.cjs", "--platform=node", "--format=cjs", "--external:sharp");
  for (const bundle of ["inside.mjs", "inside.cjs"]) {
    const printed = run("node", [bundle, "none.png"], { cwd: app });
    const isClear =
      printed.startsWith("DeviceError\nDarkroom cannot find its file dist/platform/node/worker.js: ") &&
      printed.includes("--external:darkroom");
    expect(isClear, `${bundle} printed ${printed}`);
  }
  bundlesOneScheduler(app, esbuild, webpack);
}

/** One scheduler can be bundled, from either entry. What opens paths and hub ids comes by a third, without networks. */
function bundlesOneScheduler(app, esbuild, webpack) {
  writeFileSync(join(app, "part.mjs"), SCHEDULER("darkroom/schedulers/ddim"));
  writeFileSync(join(app, "whole.mjs"), SCHEDULER("darkroom"));
  writeFileSync(join(app, "path.mjs"), OPENS_PATH);
  const node = ["--platform=node", "--format=esm", "--minify", "--external:sharp"];
  esbuild("part.mjs", "part-esbuild.mjs", "--platform=neutral", "--main-fields=module,main", "--format=esm", "--minify");
  esbuild("whole.mjs", "whole-esbuild.mjs", ...node);
  esbuild("path.mjs", "path-esbuild.mjs", ...node);
  for (const name of ["part", "whole", "path"]) webpack(`./${name}.mjs`, `${name}-webpack.cjs`, "production", "sharp");
  const printedBy = (bundle) => run("node", [bundle], { cwd: app }).trim();
  const kilobytes = (bundle) => Math.round(statSync(join(app, bundle)).size / 1000);
  for (const end of ["esbuild.mjs", "webpack.cjs"]) {
    for (const name of ["part", "whole"]) {
      expect(printedBy(`${name}-${end}`) === "666,333,0", `${name}-${end} printed ${printedBy(`${name}-${end}`)}`);
    }
    expect(printedBy(`path-${end}`) === "DDIMScheduler", `path-${end} printed ${printedBy(`path-${end}`)}`);
    const [part, whole] = [kilobytes(`part-${end}`), kilobytes(`whole-${end}`)];
    expect(
      part < LARGEST_PART && whole < LARGEST_WHOLE,
      `one scheduler is ${part} kB of darkroom/schedulers, ${whole} kB of darkroom (${end})`,
    );
  }
}
