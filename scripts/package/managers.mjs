// Installs the package with each package manager, from the npm registry only.
import { existsSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { expect, expectPicture, install, project, run } from "./sandbox.mjs";

const GENERATE = ["generate", "a panda", "--steps", "2", "--seed", "0", "--quiet", "--out"];

/** Plain `npm install`; returns the folder. */
export function withNpm(tarball) {
  const folder = project("npm");
  run("npm", ["install", "--no-audit", "--no-fund", "--prefer-offline", "--loglevel=error", tarball], { cwd: folder });
  run("npx", ["darkroom", ...GENERATE, "cli.png"], { cwd: folder });
  expectPicture(folder, "cli.png");

  const binaries = join(folder, "node_modules/onnxruntime-node/bin/napi-v6");
  const cuda = join(binaries, "linux/x64/libonnxruntime_providers_cuda.so");
  expect(!existsSync(cuda) || statSync(cuda).size === 0, "the install fetched CUDA's libraries");
  const { auto, devices } = JSON.parse(run("npx", ["darkroom", "devices", "--json"], { cwd: folder }));
  expect(devices.find(({ device }) => device === auto)?.works, `auto takes ${auto}, which does not work`);

  run("npx", ["darkroom", "devices", "prune"], { cwd: folder });
  const left = readdirSync(binaries, { recursive: true }).filter((file) => file.endsWith(".node"));
  expect(left.length === 1, `${left} are left after devices prune`);
  run("npx", ["darkroom", ...GENERATE, "pruned.png"], { cwd: folder });
  expectPicture(folder, "pruned.png");
  return folder;
}

const OTHERS = {
  // Without --ignore-scripts, Yarn 1 runs dependencies' install scripts, and pnpm reports them as an error.
  yarn: { package: "yarn@1.22.22", program: "yarn/bin/yarn.js", args: ["add", "--ignore-scripts"] },
  pnpm: { package: "pnpm@12.21.0", program: "pnpm/bin/pnpm.mjs", args: ["add", "--ignore-scripts"] },
  // Without node_modules: packages stay in archives, unless they ask for a folder.
  berry: { package: "@yarnpkg/cli-dist@4.18.1", program: "@yarnpkg/cli-dist/bin/yarn.js", args: ["add"], files: { "yarn.lock": "" } },
};

/** The other package managers, with the commands of docs/install.md. */
export function withOthers(tarball) {
  const tools = project("managers");
  install(
    tools,
    Object.values(OTHERS).map(({ package: name }) => name),
  );
  for (const [name, { program, args, files }] of Object.entries(OTHERS)) {
    const folder = project(name, files);
    const manager = join(tools, "node_modules", program);
    run("node", [manager, ...args, `darkroom@file:${tarball}`], { cwd: folder });
    run("node", [manager, "exec", "darkroom", ...(name === "yarn" ? ["--"] : []), ...GENERATE, "cli.png"], { cwd: folder });
    expectPicture(folder, "cli.png");
  }
}
