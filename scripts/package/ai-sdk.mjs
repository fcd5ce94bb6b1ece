// The AI SDK's provider as a user gets it: beside the library, and alone, for a server.
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, expectPicture, install, project, run, sandbox } from "./sandbox.mjs";

/** A program that has no library on its machine. */
const ALONE = `import { generateImage } from "ai";
import { createDarkroom, darkroom } from "darkroom-ai-sdk";
const errorOf = async (model) => generateImage({ model, prompt: "a panda", maxRetries: 0 }).catch((error) => error.message);
console.log(await errorOf(createDarkroom({ baseURL: "http://127.0.0.1:9" }).image()));
console.log(await errorOf(darkroom.image()));
`;

/** A program for a browser, or for a server without this machine's library. */
const REMOTE = `import { createDarkroom } from "darkroom-ai-sdk";
console.log(createDarkroom({ baseURL: "http://127.0.0.1:9" }).image("emoji-128").modelId);
`;

const WEBPACK = `require("webpack")({
  context: __dirname, mode: "production", target: "web", entry: "./remote.mjs", output: { path: __dirname, filename: "webpack.js" },
}, (error, stats) => {
  if (error ?? stats.hasErrors()) throw error ?? new Error(stats.toString());
});
`;

/** `app` has the library installed. */
export function withAiSdk(app, folder) {
  const [packed] = JSON.parse(run("npm", ["pack", "--json", "--ignore-scripts", "--pack-destination", sandbox], { cwd: folder }));
  const packages = [join(sandbox, packed.filename), "ai@7"];
  install(app, packages);
  const [, program] = /```ts\n([\s\S]*?)```/.exec(readFileSync(join(folder, "../../docs/ai-sdk.md"), "utf8"));
  writeFileSync(join(app, "ai-sdk.mjs"), program);
  run("node", ["ai-sdk.mjs"], { cwd: app });
  for (const seed of [7, 8]) expectPicture(app, `panda-${seed}.png`);

  const alone = project("ai-sdk", { "alone.mjs": ALONE, "remote.mjs": REMOTE, "webpack.cjs": WEBPACK });
  install(alone, [...packages, "esbuild@0.28.2", "webpack@5.113.0"]);
  const [unreachable, missing] = run("node", ["alone.mjs"], { cwd: alone }).split("\n");
  expect(unreachable.startsWith("the Darkroom server at http://127.0.0.1:9 cannot be reached"), unreachable);
  expect(missing.endsWith("npm install darkroom"), missing);

  const esbuild = join(alone, "node_modules/.bin/esbuild");
  run(esbuild, ["remote.mjs", "--bundle", "--platform=browser", "--log-level=error", "--outfile=esbuild.js"], { cwd: alone });
  run("node", ["webpack.cjs"], { cwd: alone });
  for (const bundle of ["esbuild.js", "webpack.js"]) {
    const printed = run("node", [bundle], { cwd: alone });
    expect(printed === "emoji-128\n", `${bundle} printed ${printed}`);
  }
}
