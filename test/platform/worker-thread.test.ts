import { execFile } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

const DIST = fileURLToPath(new URL("../../dist", import.meta.url));
const MODULES = fileURLToPath(new URL("../../node_modules", import.meta.url));
const BINARIES = `bin/napi-v6/${process.platform}/${process.arch}`;

/** The package's code in a folder of its own. */
const folder = mkdtempSync(join(tmpdir(), "darkroom-test-"));
beforeAll(() => {
  cpSync(DIST, join(folder, "dist"), { recursive: true });
  writeFileSync(join(folder, "package.json"), '{ "type": "module" }');
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

type RuntimeState = "no package" | "no binary" | "no library";

/** Installs what is left of the runtime's package. */
function installRuntime(state: RuntimeState): void {
  const copy = join(folder, "node_modules/onnxruntime-node");
  rmSync(join(folder, "node_modules"), { recursive: true, force: true });
  link("valibot");
  if (state === "no package") return;
  const files = ["package.json", "dist", ...(state === "no library" ? [`${BINARIES}/onnxruntime_binding.node`] : [])];
  for (const file of files) cpSync(join(MODULES, "onnxruntime-node", file), join(copy, file), { recursive: true });
  link("onnxruntime-common");
}

function link(name: string): void {
  mkdirSync(join(folder, "node_modules"), { recursive: true });
  symlinkSync(realpathSync(join(MODULES, name)), join(folder, "node_modules", name));
}

/** What a program prints; it must end by itself long before the 60 s for which a working thread is waited for. */
function output(state: RuntimeState, program: string): Promise<string> {
  const start = `import { createEngine } from "./dist/platform/node/engine.js";
    const told = (error) => console.log([error.name, error.message, error.hint].join("\\n"));
    ${program}`;
  installRuntime(state);
  return new Promise((resolve, reject) => {
    execFile(process.execPath, ["--input-type=module", "-e", start], { cwd: folder, timeout: 30_000 }, (error, stdout, stderr) => {
      if (error) reject(new Error(error.killed ? "the program did not end" : stderr));
      else resolve(stdout);
    });
  });
}

const LOAD =
  'await createEngine({ device: "cpu" }).then((engine) => engine.load({ model: { nodes: [], initializers: [], inputs: [], outputs: [] } })).catch(told);';

describe("a thread that cannot start", () => {
  it("is not waited for at the end of a program that did not use it", async () => {
    const program = 'await createEngine({ device: "cpu" }); console.log("done");';
    expect(await output("no package", program)).toBe("done\n");
    expect(await output("no library", program)).toBe("done\n");
  });

  it("is not waited for by a program that ends while the thread starts", async () => {
    const program = 'await createEngine({ device: "cpu" }); process.exit();';
    expect(await output("no library", program)).toBe("");
  });

  it("says that the runtime is not installed", async () => {
    const printed = await output("no package", LOAD);
    expect(printed).toMatch(/^DeviceError\na package that the runtime's thread needs is not installed: .*onnxruntime-/);
    expect(printed).toContain("install darkroom with its dependencies");
  });

  it("says that the runtime's library does not load, and which one", async () => {
    const printed = await output("no library", LOAD);
    expect(printed).toMatch(/^DeviceError\nonnxruntime-node's library does not load: libonnxruntime\.so\.1: cannot open/);
    expect(printed).toContain("install again");
  });

  it("says that the runtime has no binary for this platform", async () => {
    const printed = await output("no binary", LOAD);
    expect(printed).toContain(`onnxruntime-node has no binary for ${process.platform}-${process.arch}: Cannot find module`);
    expect(printed).not.toContain("Require stack");
  });

  it("names the missing file of a bundle, and how to keep it", async () => {
    rmSync(join(folder, "dist/platform/node/worker.js"));
    const printed = await output("no package", LOAD);
    expect(printed).toContain(
      `Darkroom cannot find its file dist/platform/node/worker.js: ${join(folder, "dist/platform/node/worker.js")} does not exist`,
    );
    expect(printed).toContain("esbuild --external:darkroom");
    expect(printed).toContain("serverExternalPackages");
  });
});
