// Builds a page that uses the package with Vite and webpack, without a config, and lets Chromium make a picture in it. The page without a
// bundler is packages/browser.
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { extname, join } from "node:path";
import { gzipSync } from "node:zlib";
import { chromium } from "playwright-core";
import { expect, install, project, run } from "./sandbox.mjs";

/** Kilobytes, compressed, of the modules that a page with `DiffusionPipeline` loads first, without the runtime. */
const LARGEST_CORE = 130;

const PROGRAM = `import { DiffusionPipeline, EMBEDDED_CHECKPOINT } from "darkroom";
const pipe = await DiffusionPipeline.fromPretrained(EMBEDDED_CHECKPOINT, { device: "wasm" });
const { images } = await pipe.generate({ prompt: "a panda", numInferenceSteps: 1, seed: 0 });
await pipe.dispose();
document.title = "made " + images[0].width + "x" + images[0].height;
`;

const HTML = (script) => `<!doctype html><title>waiting</title><script type="module" src="${script}"></script>
<script>const fail = ({ reason, error, message }) => { document.title = "failed: " + ((reason ?? error)?.stack ?? message); };
addEventListener("error", fail);
addEventListener("unhandledrejection", fail);</script>
`;

/** The runtime, as the package asks for it. */
const { peerDependencies } = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8"));

/** `tarball` is the packed package. */
export async function inPages(tarball) {
  const app = project("page", { "index.html": HTML("./main.js"), "main.js": PROGRAM });
  // As a page's project has it: without Node's runtime and sharp.
  run("npm", ["install", "--no-audit", "--no-fund", "--prefer-offline", "--omit=optional", "--loglevel=error", tarball], { cwd: app });
  const own = readdirSync(join(app, "node_modules"));
  expect(!own.includes("onnxruntime-node") && !own.includes("sharp"), "a page's project has Node's runtime or sharp");
  install(app, [`onnxruntime-web@${peerDependencies["onnxruntime-web"]}`, "--omit=optional"]);
  const tools = project("page-tools");
  install(tools, ["vite@8.3.8", "webpack@5.113.0", "webpack-cli@7.3.1"]);

  run("node", [join(tools, "node_modules/vite/bin/vite.js"), "build", "--outDir", "vite", "--manifest", "--logLevel", "warn"], {
    cwd: app,
  });
  expectSmall(join(app, "vite"));
  run(
    "node",
    [join(tools, "node_modules/webpack-cli/bin/cli.js"), "--entry", "./main.js", "--mode", "production", "-o", "webpack", "--no-stats"],
    {
      cwd: app,
    },
  );
  writeFileSync(join(app, "webpack/index.html"), HTML("./main.js"));

  for (const bundler of ["vite", "webpack"]) {
    const title = await titleOf(join(app, bundler));
    expect(title === "made 128x128", `the page of ${bundler} says: ${title}`);
  }
}

function expectSmall(folder) {
  const manifest = JSON.parse(readFileSync(join(folder, ".vite/manifest.json"), "utf8"));
  const files = new Set();
  const add = (name) => {
    const { file, imports = [] } = manifest[name];
    if (files.has(file)) return;
    files.add(file);
    imports.forEach(add);
  };
  add("index.html");
  const bytes = [...files].reduce((sum, file) => sum + gzipSync(readFileSync(join(folder, file)), { level: 9 }).length, 0);
  const kilobytes = Math.ceil(bytes / 1000);
  console.log(`a page loads ${kilobytes} kB of Darkroom's modules first, compressed, without the runtime`);
  expect(kilobytes <= LARGEST_CORE, `that is more than ${LARGEST_CORE} kB`);
}

const TYPES = { ".html": "text/html", ".js": "text/javascript", ".wasm": "application/wasm", ".json": "application/json" };

/** The title that a page of static files gives itself. */
async function titleOf(folder) {
  const server = createServer((request, response) => {
    const path = join(folder, request.url === "/" ? "index.html" : decodeURIComponent(new URL(request.url, "http://page").pathname));
    if (!existsSync(path)) return response.writeHead(404).end();
    const bytes = readFileSync(path);
    const [, from, to] = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? "") ?? [];
    const part = from === undefined ? bytes : bytes.subarray(Number(from), Number(to) + 1);
    const headers = { "content-type": TYPES[extname(path)] ?? "application/octet-stream", "content-length": part.length };
    response.writeHead(from === undefined ? 200 : 206, headers);
    response.end(request.method === "HEAD" ? undefined : part);
  });
  await new Promise((done) => server.listen(0, "127.0.0.1", done));
  try {
    return await titleAt(`http://127.0.0.1:${server.address().port}/`);
  } finally {
    server.closeAllConnections();
    server.close();
  }
}

async function titleAt(address) {
  const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: ["--no-sandbox"] });
  try {
    const page = await browser.newPage();
    await page.goto(address);
    // The function is text, since it runs in the page.
    await page.waitForFunction("document.title !== 'waiting'", undefined, { timeout: 120_000 });
    return await page.title();
  } finally {
    await browser.close();
  }
}
