// Work of bench/gpu.sh in processes of their own: one that hangs or crashes loses only its own part.
import { existsSync, mkdirSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import "../../src/hub/open-checkpoint.js";
import { createEngine } from "../../src/platform/node/engine.js";
import { fetchFromWheel } from "../../src/platform/node/wheels.js";
import type { Device } from "../../src/runtime/device.js";
import { setWarningHandler } from "../../src/warnings.js";
import { findCases } from "../../test/parity/cases.js";
import { compareModel } from "../../test/parity/models.js";
import { family, type Scale, type UNetFamilyName } from "../checkpoints/families.js";
import { unetTensors } from "../checkpoints/unet.js";
import { writeWeights } from "../checkpoints/write-weights.js";
import { ROOT } from "../paths.js";
import { compileOurs } from "../prepare.js";

const [task, ...args] = process.argv.slice(2);
setWarningHandler((text) => console.log(`warning: ${text}`));

/** Half precision may differ by this many times the tolerance of float32: 2 % of a result of size 1. */
const HALF = 200;

const TASKS: Readonly<Record<string, (...args: string[]) => Promise<void>>> = {
  /** What a device is capable of. */
  async capabilities(device = "cpu", precision = "fast") {
    await using engine = await opened(device, precision);
    console.log(JSON.stringify({ ...engine.capabilities, precision: engine.precision }));
  },

  /** Every network of the tiny checkpoints beside Python's results, in one precision. A line for each, at once. */
  async networks(device = "cpu", precision = "exact", only = "models") {
    await using engine = await opened(device, precision);
    const factor = engine.precision === "fast" ? HALF : 1;
    let misses = 0;
    const cases = findCases(join(ROOT, "test/fixtures"), only);
    for (const each of cases) {
      try {
        const compared = await compareModel(each, { checkpoints: join(ROOT, "test/checkpoints"), engine });
        const share = Math.max(...compared.map(({ error, tolerance }) => error / tolerance));
        const isClose = share <= factor;
        misses += Number(!isClose);
        console.log(`${isClose ? "pass" : "MISS"} ${each.name}: ${share.toPrecision(2)} times the tolerance of float32`);
      } catch (error) {
        misses++;
        console.log(`FAIL ${each.name}: ${(error as Error).message}`);
      }
    }
    console.log(`${cases.length - misses} of ${cases.length} networks are right`);
    process.exitCode = Number(misses > 0);
  },

  /** A UNet with random weights in half precision, in the diffusers layout. */
  async checkpoint(name = "sd15", scale = "real", folder = "") {
    if (existsSync(folder)) return;
    const { unet } = family(name as UNetFamilyName, scale as Scale);
    const partial = `${folder}.partial`;
    mkdirSync(join(partial, "unet"), { recursive: true });
    writeFileSync(join(partial, "unet/config.json"), JSON.stringify({ _class_name: "UNet2DConditionModel", ...unet }));
    writeWeights(join(partial, "unet/diffusion_pytorch_model.fp16.safetensors"), unetTensors(unet), "fp16");
    renameSync(partial, folder);
  },

  /** The compiled process that Darkroom is measured in. */
  async compile() {
    compileOurs();
  },

  /** ONNX Runtime's CUDA libraries, from PyPI, into a folder. */
  async libraries(folder = "") {
    const takes = (file: string) => /^libonnxruntime_providers_(cuda|shared)\.so$/.test(file);
    const { version } = (await import("onnxruntime-node/package.json", { with: { type: "json" } })).default;
    await fetchFromWheel(
      { name: "onnxruntime-gpu", version, takes },
      { index: process.env.PIP_INDEX_URL || "https://pypi.org/simple", folder },
    );
  },
};

async function opened(device: string, precision: string) {
  const engine = await createEngine({ device: device as Device, precision: precision === "fast" ? "fast" : "exact" });
  return Object.assign(engine, { [Symbol.asyncDispose]: () => engine.dispose() });
}

const work = TASKS[task ?? ""];
if (!work) throw new Error(`no task ${task}; there are ${Object.keys(TASKS).join(", ")}`);
await work(...args);
