// The installed package on the oldest Node that it allows, and on those in long-term support.
import { join } from "node:path";
import { expect, expectPicture, install, project, run } from "./sandbox.mjs";

const VERSIONS = ["20.9.0", "22", "24"];

/** `app` has the package installed, and api.mjs. */
export function onEveryNode(app) {
  const tools = project("nodes");
  const name = `node-${process.platform}-${process.arch}`;
  install(
    tools,
    VERSIONS.map((version) => `node${version}@npm:${name}@${version}`),
  );
  return VERSIONS.map((version) => {
    const options = { cwd: app, node: join(tools, "node_modules", `node${version}`, "bin") };
    const found = run("node", ["--version"], options).trim();
    expect(found.startsWith(`v${version}`), `expected Node ${version}, got ${found}`);
    run(
      "node",
      ["node_modules/darkroom/dist/bundle/node/cli.js", "generate", "a panda", "--steps", "1", "--quiet", "--out", `${found}.png`],
      options,
    );
    expectPicture(app, `${found}.png`);
    run("node", ["api.mjs", `${found}-api.png`], options);
    expectPicture(app, `${found}-api.png`);
    // Node 20 takes ES modules in require() from 20.19 on, 22 from 22.12 on.
    if (version === "20.9.0") return found;
    const kind = run("node", ["-p", 'typeof require("darkroom").DiffusionPipeline'], options).trim();
    expect(kind === "function", `require("darkroom").DiffusionPipeline is of type ${kind} on ${found}`);
    return `${found} with require`;
  });
}
