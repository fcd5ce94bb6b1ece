// The server as a user gets it: beside the library, started by `darkroom serve`.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, expectPicture, install, run, sandbox } from "./sandbox.mjs";

/** Starts the server, asks it, and stops it. */
const PROGRAM = `import { spawn } from "node:child_process";
import { writeFileSync } from "node:fs";
const server = spawn("npx", ["darkroom", "serve", "--port", "0", "--folder", "data", "--device", "cpu"], {
  stdio: ["ignore", "pipe", "inherit"],
  detached: true,
});
const ended = new Promise((resolve) => server.on("exit", resolve));
let printed = "";
const address = await new Promise((resolve, reject) => {
  server.stdout.on("data", (chunk) => {
    printed += chunk;
    const [, found] = /listens on (http\\S+)/.exec(printed) ?? [];
    if (found) resolve(found);
  });
  void ended.then(() => reject(new Error(\`the server did not start; it printed \${printed}\`)));
});
try {
  console.log(await (await fetch(address + "/health")).text());
  const page = await fetch(address);
  console.log(page.status, page.headers.get("content-type"));
  const body = JSON.stringify({ inputs: "a panda", parameters: { num_inference_steps: 2 } });
  const reply = await fetch(address + "/hf", { method: "POST", body });
  writeFileSync("served.png", new Uint8Array(await reply.arrayBuffer()));
} finally {
  process.kill(-server.pid, "SIGTERM");
  await ended;
}
`;

/** `app` has the library installed. */
export function withServer(app, folder) {
  const [packed] = JSON.parse(run("npm", ["pack", "--json", "--ignore-scripts", "--pack-destination", sandbox], { cwd: folder }));
  install(app, [join(sandbox, packed.filename)]);
  writeFileSync(join(app, "server.mjs"), PROGRAM);
  const [health, page] = run("node", ["server.mjs"], { cwd: app }).split("\n");
  expect(health === '{"status":"ok"}', `/health answered ${health}`);
  expect(page.startsWith("200 text/html"), `the page answered ${page}`);
  expectPicture(app, "served.png");
}
