import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import { startServer } from "../packages/server/src/index.js";
import { loadImage } from "../src/image/load-image.js";
import { Picture } from "../src/image/picture.js";
import { readPngText } from "../src/image/png.js";

/** A TypeScript program of a page: the first one by default. */
function program(page: string, index = 0): string {
  const programs = [...readFileSync(page, "utf8").matchAll(/```ts\n([\s\S]*?)```/g)];
  return programs[index]?.[1] ?? expect.fail(`${page} has no program ${index + 1}`);
}

it("the server of docs/own-server.md sends progress and a picture, and ends on SIGTERM", async () => {
  // In the repository, so that it imports the build as users import the package.
  mkdirSync("out", { recursive: true });
  const path = join("out", "servers.mts");
  writeFileSync(path, `${program("docs/own-server.md")}\nserver.on("listening", () => console.log(JSON.stringify(server.address())));\n`);
  const child = spawn(process.execPath, ["--import", "tsx", path], {
    env: { ...process.env, PORT: "0" },
    stdio: ["ignore", "pipe", "inherit"],
  });
  onTestFinished(() => void child.kill("SIGKILL"));
  const [line] = (await once(child.stdout.setEncoding("utf8"), "data")) as [string];
  const url = `http://127.0.0.1:${JSON.parse(line).port}`;

  expect((await fetch(url)).status).toBe(404);
  const text = await (await fetch(`${url}/generate?prompt=a+panda`)).text();
  const events = text
    .trim()
    .split("\n\n")
    .map((event) => /^event: (\w+)\ndata: (.*)$/.exec(event)?.slice(1) ?? []);
  expect(events.map(([name]) => name)).toEqual([...Array(20).fill("progress"), "picture"]);
  expect(JSON.parse(events[19]?.[1] ?? "")).toEqual({ done: 20, total: 20 });
  const { png } = JSON.parse(events[20]?.[1] ?? "");
  expect(Buffer.from(png, "base64").subarray(1, 4).toString()).toBe("PNG");

  // A caller that leaves is forgotten: the next one is answered.
  const leaving = new AbortController();
  const stream = (await fetch(`${url}/generate?prompt=a+fox`, { signal: leaving.signal })).body?.getReader();
  await stream?.read();
  leaving.abort();
  expect(await (await fetch(`${url}/generate?prompt=a+cat`)).text()).toContain("event: picture");

  child.kill("SIGTERM");
  expect(await once(child, "exit")).toEqual([0, null]);
});

it("the program of docs/generate.md makes its pictures, with their settings", async () => {
  mkdirSync("out", { recursive: true });
  const path = join("out", "generate.mts");
  writeFileSync(path, program("docs/generate.md"));
  const { status, stdout, stderr } = spawnSync(process.execPath, ["--import", "tsx", path], { encoding: "utf8" });
  expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
  expect(stdout.match(/^picture 2: step \d of 8$/gm)).toHaveLength(8);
  for (const [seed, prompt] of [
    [7, "a panda"],
    [8, "a panda"],
    [3, "a red apple"],
  ]) {
    const { parameters } = await readPngText(readFileSync(`out/${seed}.png`));
    expect(parameters).toMatch(new RegExp(`^${prompt}\n.*Seed: ${seed}, `));
  }
});

it("the programs of docs/ai-sdk.md make their pictures, on this machine and on a server", async () => {
  const folder = join("out", "ai-sdk");
  mkdirSync(folder, { recursive: true });
  const server = await startServer({ folder: join(folder, "server"), port: 0 });
  onTestFinished(() => server.close());
  const run = async (index: number) => {
    writeFileSync(join(folder, `program-${index}.mts`), program("docs/ai-sdk.md", index));
    const child = spawn(process.execPath, ["--import", "tsx", `program-${index}.mts`], {
      cwd: folder,
      env: { ...process.env, DARKROOM_URL: server.address },
      stdio: ["ignore", "pipe", "pipe"],
    });
    let printed = "";
    child.stdout.on("data", (text) => {
      printed += text;
    });
    child.stderr.on("data", (text) => {
      printed += text;
    });
    expect(await once(child, "exit")).toEqual([0, null]);
    return printed;
  };
  expect(await run(0)).toBe("panda-7.png\npanda-8.png\n");
  expect(await run(1)).toBe("");
  const settingsOf = async (name: string) => (await readPngText(readFileSync(join(folder, name)))).parameters;
  expect(await settingsOf("panda-8.png")).toMatch(/^a panda\nNegative prompt: blue\nSteps: 8, .*Seed: 8, /);
  expect(await settingsOf("panda.png")).toMatch(/^a panda\nSteps: 20, .*Seed: 7, /);
});

it.each([
  ["README.md", 1, /^a panda\nSteps: 20, /],
  ["docs/server.md", 0, /^a panda\nNegative prompt: blue\nSteps: 8, .*Seed: 7, /],
])("the openai program of %s makes a picture on a server", async (page, index, parameters) => {
  const folder = join("out", "openai", String(index));
  mkdirSync(folder, { recursive: true });
  const server = await startServer({ folder: join(folder, "server"), port: 0 });
  onTestFinished(() => server.close());
  writeFileSync(join(folder, "program.mts"), program(page, index).replace("http://127.0.0.1:7860", server.address));
  const child = spawn(process.execPath, ["--import", "tsx", "program.mts"], { cwd: folder, stdio: "inherit" });
  expect(await once(child, "exit")).toEqual([0, null]);
  expect((await readPngText(readFileSync(join(folder, "panda.png")))).parameters).toMatch(parameters);
});

it("the programs of docs/control.md make the same picture, followed by a request and by a pipeline", async () => {
  const folder = join("out", "control");
  mkdirSync(folder, { recursive: true });
  await new Picture(
    64,
    48,
    Uint8Array.from({ length: 64 * 48 * 3 }, (_, i) => (i * 7) % 256),
  ).save(join(folder, "fox.png"));
  for (const index of [0, 1]) {
    const text = program("docs/control.md", index)
      .replaceAll("lllyasviel/control_v11p_sd15_canny", resolve("test/checkpoints/controlnet-mini"))
      .replaceAll("stable-diffusion-v1-5/stable-diffusion-v1-5", resolve("test/checkpoints/sd1-mini"))
      .replaceAll("numInferenceSteps: 20", "numInferenceSteps: 4");
    writeFileSync(join(folder, `program-${index}.mts`), text);
    const { status, stderr } = spawnSync(process.execPath, ["--import", "tsx", `program-${index}.mts`], { cwd: folder, encoding: "utf8" });
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
  }
  const [request, pipeline] = await Promise.all(["red-fox.png", "red-fox-2.png"].map((name) => loadImage(join(folder, name))));
  expect(request).toEqual(pipeline);
  const { parameters } = await readPngText(readFileSync(join(folder, "red-fox.png")));
  expect(parameters).toContain("Module: canny, Model: controlnet-mini, Weight: 0.8, Threshold A: 50, Threshold B: 150");
});

it("the program of docs/edits.md makes an orange of an apple", async () => {
  const folder = join("out", "edits");
  mkdirSync(folder, { recursive: true });
  const apple = new Picture(64, 64, new Uint8Array(64 * 64 * 3).fill(200));
  await apple.save(join(folder, "apple.png"));
  writeFileSync(join(folder, "program.mts"), program("docs/edits.md"));
  const { status, stderr } = spawnSync(process.execPath, ["--import", "tsx", "program.mts"], { cwd: folder, encoding: "utf8" });
  expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
  const orange = await loadImage(join(folder, "orange.png"));
  expect([orange.width, orange.height]).toEqual([64, 64]);
  expect(orange.data).not.toEqual(apple.data);
});
