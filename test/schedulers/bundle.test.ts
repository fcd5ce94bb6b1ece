import { fileURLToPath } from "node:url";
import { type BuildOptions, build } from "esbuild";
import { beforeAll, describe, expect, it } from "vitest";
import { camelCaseKeys } from "../../src/checkpoint/config.js";
import type { JsonObject } from "../../src/checkpoint/json.js";
import { openFolder } from "../../src/platform/node/folder.js";
import { checkpoint, readFixture } from "../helpers/fixtures.js";

const root = fileURLToPath(new URL("../../", import.meta.url));
const HEAVY = /^src\/(graph|runtime|hub|platform|layers|models|pipelines)\/|onnxruntime|sharp/;

/** Bundles by default for no platform, so that an import of a Node built-in fails. `kept` are the modules left after tree shaking. */
async function bundle(
  contents: string,
  options: Pick<BuildOptions, "platform" | "mainFields" | "external"> = { platform: "neutral", mainFields: ["module", "main"] },
): Promise<{ modules: readonly string[]; kept: readonly string[]; code: string }> {
  const { metafile, outputFiles } = await build({
    stdin: { contents, resolveDir: root, loader: "ts" },
    bundle: true,
    format: "esm",
    metafile: true,
    write: false,
    logLevel: "silent",
    absWorkingDir: root,
    ...options,
  });
  const parts = Object.values(metafile.outputs).flatMap(({ inputs }) => Object.entries(inputs));
  const kept = parts.flatMap(([module, { bytesInOutput }]) => (bytesInOutput > 0 ? module : []));
  return { modules: Object.keys(metafile.inputs), kept, code: outputFiles[0]?.text ?? "" };
}

describe("a bundle", () => {
  it.each([
    ["all schedulers", "./src/schedulers/registry.js"],
    ["the tokenizer", "./src/tokenizer/clip.js"],
    ["tensors", "./src/tensor/tensor.js"],
    ["random numbers", "./src/tensor/random.js"],
  ])("of %s has no module of the engine, graphs, networks, the hub or the platform", async (_, path) => {
    const { modules } = await bundle(`export * from "${path}";`);
    expect(modules).toContain(path.replace("./", "").replace(/js$/, "ts"));
    expect(modules.filter((module) => HEAVY.test(module))).toEqual([]);
  });

  // They save pictures by the platform, whose modules are in one list with the engine.
  it("of the image processors keeps only the platform's pictures and files", async () => {
    const program = `
      export { CLIPImageProcessor } from "./src/image/clip-image-processor.js";
      export { VaeImageProcessor } from "./src/image/vae-image-processor.js";
    `;
    const { kept } = await bundle(program, { platform: "node", external: ["sharp"] });
    expect(kept).toContain("src/image/clip-image-processor.ts");
    expect(
      kept.filter(
        (module) => HEAVY.test(module) && !/^src\/platform\/(page-pictures|node\/(error-code|image|folder|write-file))\.ts$/.test(module),
      ),
    ).toEqual([]);
  });
});

describe("a bundle of DDIM", () => {
  const program = `
    export { DDIMScheduler } from "./src/schedulers/ddim.js";
    export { Generator, randn } from "./src/tensor/random.js";
    export { Tensor } from "./src/tensor/tensor.js";
  `;
  let parts: typeof import("../../src/schedulers/ddim.js") &
    typeof import("../../src/tensor/random.js") &
    typeof import("../../src/tensor/tensor.js");

  beforeAll(async () => {
    const { code } = await bundle(program);
    parts = await import(/* @vite-ignore */ `data:text/javascript;base64,${Buffer.from(code).toString("base64")}`);
  });

  it("steps as diffusers does", () => {
    const { meta, tensor } = readFixture<{ config: JsonObject; num_inference_steps: number; seed: number }>("schedulers", "ddim");
    const scheduler = new parts.DDIMScheduler(camelCaseKeys(meta.config));
    scheduler.setTimesteps(meta.num_inference_steps);
    expect(scheduler.timesteps).toEqual(tensor("timesteps").toArray());
    const sample = parts.randn([2, 3, 4, 4], new parts.Generator(meta.seed));
    expect(sample.toArray()).toEqual(tensor("noise").toArray());
    const [timestep = 0] = scheduler.timesteps;
    const { prevSample } = scheduler.step(standIn(sample, timestep), timestep, sample);
    const expected = tensor("samples").toArray().slice(0, sample.size);
    const differences = prevSample.toArray().map((value, i) => Math.abs(value - Number(expected[i])));
    expect(Math.max(...differences)).toBeLessThan(1e-5);
  });

  it("opens a Folder, and says what to import for a path or hub id", async () => {
    const folder = openFolder(checkpoint("sd1-mini"));
    const scheduler = await parts.DDIMScheduler.fromPretrained(folder, { subfolder: "scheduler" });
    expect(scheduler.config.numTrainTimesteps).toBe(1000);
    await expect(parts.DDIMScheduler.fromPretrained("owner/name")).rejects.toMatchObject({
      name: "CheckpointError",
      message: "owner/name cannot be opened: the module that opens paths and hub ids is not loaded",
      hint: 'import "darkroom/from-pretrained", which loads it, or give a Folder',
    });
  });

  /** The model's output in the fixtures. */
  function standIn(sample: InstanceType<typeof parts.Tensor>, timestep: number) {
    const f32 = Math.fround;
    const plane = 16;
    const values = sample.toArray().map((value, i) => {
      const wave = f32(Math.cos(f32((Math.floor(i / plane) % 3) + f32(timestep / 100))));
      return f32(f32(value * f32(timestep / (timestep + 1))) * 0.5) + f32(f32(0.1) * wave);
    });
    return parts.Tensor.from(values, sample.shape);
  }
});
