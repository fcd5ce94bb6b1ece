import { execFile } from "node:child_process";
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, realpathSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { decode } from "fast-png";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const MODULES = join(ROOT, "node_modules");
const BINARY = `bin/napi-v6/${process.platform}/${process.arch}/onnxruntime_binding.node`;

/** The package as on a machine without the native library. */
const folder = mkdtempSync(join(tmpdir(), "darkroom-test-"));
const installed = join(folder, "node_modules");
const picture = join(folder, "panda.png");

beforeAll(() => {
  for (const each of ["dist", "package.json"]) cpSync(join(ROOT, each), join(folder, each), { recursive: true });
  symlinkSync(join(ROOT, "models"), join(folder, "models"));
  mkdirSync(installed);
  for (const name of readdirSync(MODULES)) {
    if (!name.startsWith(".") && name !== "onnxruntime-node") symlinkSync(realpathSync(join(MODULES, name)), join(installed, name));
  }
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

interface Ended {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

function run(cwd: string, args: readonly string[]): Promise<Ended> {
  return new Promise((resolve) => {
    const env = { ...process.env, NO_COLOR: "1" };
    const options = { cwd, timeout: 120_000, env };
    execFile(process.execPath, args, options, (error, stdout, stderr) =>
      resolve({ code: typeof error?.code === "number" ? error.code : error ? -1 : 0, stdout, stderr }),
    );
  });
}

const REQUEST = ["dist/bundle/node/cli.js", "generate", "a panda", "--seed", "7", "--steps", "4"];

/** The largest difference of two pictures' values, of 255. */
function difference(one: string, other: string): number {
  const [a, b] = [decode(readFileSync(one)).data, decode(readFileSync(other)).data];
  expect(a.length).toBe(b.length);
  return Array.from(a).reduce((largest, value, i) => Math.max(largest, Math.abs(value - (b[i] as number))), 0);
}

beforeEach(() => {
  for (const path of [picture, join(installed, "onnxruntime-node")]) rmSync(path, { recursive: true, force: true });
});

/** Installs the native package with one file damaged or left out, as its C++ would find it on another system. */
function installDamaged(): void {
  const copy = join(installed, "onnxruntime-node");
  for (const file of ["package.json", "dist", BINARY])
    cpSync(join(MODULES, "onnxruntime-node", file), join(copy, file), { recursive: true });
}

describe("without the native library", () => {
  it("the command line makes the same picture in WebAssembly, with one line that says why", async () => {
    const native = join(folder, "native.png");
    const expected = await run(ROOT, [...REQUEST, "--device", "cpu", "--out", native]);
    expect(expected).toMatchObject({ code: 0 });
    const { code, stderr } = await run(folder, [...REQUEST, "--out", picture]);
    expect(code, stderr).toBe(0);
    expect(difference(picture, native)).toBeLessThanOrEqual(1);
    const told = stderr.split("\n").filter((line) => line.includes("WebAssembly"));
    expect(told).toEqual([expect.stringMatching(/onnxruntime-node.*networks run in WebAssembly instead, which is about \d+ times slower/)]);
  });

  it("a program sees the device before its first run, also if the library is there and does not load", async () => {
    installDamaged();
    const program = `
      import { DiffusionPipeline } from "./dist/index.js";
      const pipe = await DiffusionPipeline.fromPretrained("models/emoji-128");
      console.log(pipe.device);
      await pipe.dispose();`;
    const { stdout, stderr } = await run(folder, ["--input-type=module", "-e", program]);
    expect(stdout).toBe("wasm\n");
    expect(stderr).toMatch(/^darkroom: onnxruntime-node's library does not load: libonnxruntime/);
    expect(stderr.trim().split("\n")).toHaveLength(1);
  });

  it("darkroom devices says that auto uses wasm", async () => {
    const { code, stdout } = await run(folder, ["dist/bundle/node/cli.js", "devices"]);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^cpu +no /m);
    expect(stdout).toMatch(/^wasm +yes +auto uses it/m);
  });

  it("device cpu is an error that names the other way", async () => {
    const { code, stderr } = await run(folder, [...REQUEST, "--device", "cpu", "--out", picture]);
    expect(code).not.toBe(0);
    expect(stderr).toContain("onnxruntime-node");
    expect(stderr).toContain("--device wasm");
    expect(existsSync(picture)).toBe(false);
  });

  it("and without onnxruntime-web, the error says how to install that", async () => {
    rmSync(join(installed, "onnxruntime-web"));
    try {
      const { code, stderr } = await run(folder, [...REQUEST, "--out", picture]);
      expect(code).not.toBe(0);
      expect(stderr).toContain("onnxruntime-node");
      expect(stderr).toContain("npm install onnxruntime-web");
      expect(stderr).not.toContain("    at ");
    } finally {
      symlinkSync(realpathSync(join(MODULES, "onnxruntime-web")), join(installed, "onnxruntime-web"));
    }
  });
});
