// The package as a user gets it: packed, installed into an empty folder by each package manager, imported, bundled, and run on every Node.
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { withAiSdk } from "./package/ai-sdk.mjs";
import { inBundles } from "./package/bundles.mjs";
import { withNpm, withOthers } from "./package/managers.mjs";
import { onEveryNode } from "./package/nodes.mjs";
import { inPages } from "./package/pages.mjs";
import { check, expect, expectPicture, run, sandbox } from "./package/sandbox.mjs";
import { withServer } from "./package/server.mjs";

const root = fileURLToPath(new URL("..", import.meta.url));
const LARGEST_PACKAGE = 35e6;
/** The README's program: it must run as it stands. */
const PROGRAM = /```ts\n([\s\S]*?)```/.exec(readFileSync(join(root, "README.md"), "utf8"))[1];

/** A program that imports a scheduler and tensors from their own entries, and their types. */
const PARTS = `import { Generator, randn } from "darkroom/random";
import { DDIMScheduler } from "darkroom/schedulers/ddim";
import { Tensor } from "darkroom/tensor";
const scheduler = new DDIMScheduler();
scheduler.setTimesteps(3);
const sample = randn([2, 3], new Generator(7));
const { prevSample } = scheduler.step(Tensor.zeros([2, 3]), 666, sample);
console.log(scheduler.timesteps.join(), prevSample.shape.join());
`;

try {
  // The build is there already: packing must not start it again.
  const [packed] = JSON.parse(run("npm", ["pack", "--json", "--ignore-scripts", "--pack-destination", sandbox], { cwd: root }));
  const megabytes = (bytes) => `${(bytes / 1e6).toFixed(1)} MB`;
  console.log(
    `packed ${packed.filename}: ${packed.files.length} files, ${megabytes(packed.size)}, unpacked ${megabytes(packed.unpackedSize)}`,
  );
  expect(packed.unpackedSize <= LARGEST_PACKAGE, `the package is larger than ${megabytes(LARGEST_PACKAGE)}`);
  const tarball = join(sandbox, packed.filename);

  let app;
  await check("installed by npm, run from the command line, pruned", () => {
    app = withNpm(tarball);
  });
  await check("types, without @types/node or skipLibCheck", () => {
    writeFileSync(join(app, "api.mts"), PROGRAM);
    const tsc = join(root, "node_modules/typescript/bin/tsc");
    const options = ["--strict", "--noEmit", "--module", "nodenext", "--target", "es2022", "--lib", "es2022,dom", "--types", ""];
    writeFileSync(join(app, "parts.mts"), PARTS);
    run("node", [tsc, ...options, "api.mts", "parts.mts"], { cwd: app });
  });
  await check("imported by a program", () => {
    writeFileSync(join(app, "api.mjs"), PROGRAM.replace('"panda.png"', 'process.argv[2] ?? "panda.png"'));
    run("node", ["api.mjs"], { cwd: app });
    expectPicture(app, "panda.png");
  });
  await check("imported in parts, without what runs networks", () => {
    writeFileSync(join(app, "parts.mjs"), PARTS);
    const printed = run("node", ["parts.mjs"], { cwd: app });
    expect(printed === "666,333,0 2,3\n", `parts.mjs printed ${printed}`);
  });
  await check("used by the AI SDK, on this machine and without the library", () => withAiSdk(app, join(root, "packages/ai-sdk")));
  await check("served by darkroom-server", () => withServer(app, join(root, "packages/server")));
  await check("bundled by esbuild (ESM and CommonJS) and webpack", () => inBundles(app));
  await check("built into pages by Vite and webpack, without a config", () => inPages(tarball));
  if (process.platform === "linux") await check("on Node 20.9.0, 22 and 24", () => onEveryNode(app));
  await check("installed by Yarn 1, Yarn 4 and pnpm", () => withOthers(tarball));
} finally {
  rmSync(sandbox, { recursive: true, force: true });
}
