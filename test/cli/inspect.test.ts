import { describe, expect, it } from "vitest";
import { checkpoint } from "../helpers/fixtures.js";
import { FULL_SIZE, sparseFile } from "../helpers/full-size-files.js";
import { temporaryFolder } from "../helpers/temporary.js";
import { loraFile } from "../lora/loras.js";
import { darkroom, expectFailure } from "./darkroom.js";

const inspect = (...args: string[]) => darkroom(["inspect", ...args], process.cwd());

describe("darkroom inspect", () => {
  it("describes a checkpoint in a single file", async () => {
    const path = sparseFile(FULL_SIZE["sdxl-base"]?.() ?? {}, { "modelspec.title": "A title" });
    expect(await inspect(path)).toEqual({
      code: 0,
      stderr: "",
      stdout: `${path}
  kind        checkpoint in a single file
  family      Stable Diffusion XL (its UNet's text features, 2048 wide)
  pipeline    StableDiffusionXLPipeline
  predicts    epsilon (usual for the family)
  scheduler   EulerDiscreteScheduler (as in stabilityai/stable-diffusion-xl-base-1.0)
  size        1024x1024 (usual for the family)
  weights     3.47 B parameters, F16, 6.94 GB
  parts       unet            UNet2DConditionModel         2.57 B parameters, F16, 5.13 GB
              vae             AutoencoderKL                83.7 M parameters, F16, 167 MB
              text_encoder    CLIPTextModel                123 M parameters, F16, 246 MB
              text_encoder_2  CLIPTextModelWithProjection  695 M parameters, F16, 1.39 GB
  title       A title
`,
    });
  });

  it.each([
    ["a folder", checkpoint("sd1-mini"), /kind {8}checkpoint in a folder\n {2}family {6}Stable Diffusion\n/],
    [
      "a part's folder",
      checkpoint("sd1-mini/vae"),
      /kind {8}network in a folder\n {2}class {7}AutoencoderKL\n {2}weights {5}168 k parameters, F32, 672 kB\n/,
    ],
    ["a scheduler", checkpoint("sd2-mini/scheduler"), /kind {8}scheduler\n {2}class {7}DDIMScheduler\n {2}predicts {4}v_prediction\n/],
    ["a LoRA", loraFile("sd1_kohya"), /kind {8}LoRA \(kohya\)\n(.*\n)* {2}rank .*\n(.*\n)* {2}changes {5}.* layers\n/],
    [
      "an embedding",
      "test/fixtures/textual-inversion/embeddings/brain.safetensors",
      /kind {8}textual inversion \(diffusers\)\n {2}token {7}<brain>\n/,
    ],
    ["an IP-Adapter", checkpoint("ip-adapter-mini/models/ip-adapter-plus_sd15.safetensors"), /kind {8}IP-Adapter, plus\n/],
    ["an IP-Adapter of FaceID", checkpoint("ip-adapter-mini/models/ip-adapter-faceid_sd15.safetensors"), /kind {8}IP-Adapter, FaceID\n/],
    [
      "an unknown file",
      "test/fixtures/rng/torch_cpu.safetensors",
      /kind {8}safetensors file of no known kind\n {2}weights {5}60 tensors, /,
    ],
  ])("describes %s", async (_, path, pattern) => {
    const { code, stderr, stdout } = await inspect(path);
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect(stdout).toMatch(pattern);
  });

  it("prints at most a line of ranks, and no control characters", async () => {
    const ranks = Array.from({ length: 40 }, (_, i) => [
      [`lora_unet_mid_block_attentions_${i}.lora_down.weight`, [i + 1, 2]],
      [`lora_unet_mid_block_attentions_${i}.lora_up.weight`, [2, i + 1]],
    ]).flat();
    const { stdout } = await inspect(sparseFile(Object.fromEntries(ranks), { ss_output_name: "\u001b[2Jfox" }));
    expect(stdout).toMatch(/\n {2}title {7}\[2Jfox\n(.*\n)* {2}rank {8}1 to 40, 40 different ones\n/);
  });

  it("says that a folder has no weights", async () => {
    const folder = temporaryFolder({ "model_index.json": { _class_name: "APipeline" } });
    expect((await inspect(folder)).stdout).toMatch(/\n {2}weights {5}none\n/);
  });

  it("prints one line of JSON with --json", async () => {
    const { code, stdout } = await inspect(checkpoint("sd1-mini"), "--json");
    expect(code).toBe(0);
    expect(stdout.trim().split("\n")).toHaveLength(1);
    expect(JSON.parse(stdout)).toMatchObject({ kind: "checkpoint", className: "StableDiffusionPipeline", size: 32 });
  });

  it("ends with 3 for a folder that is not a checkpoint", async () => {
    expectFailure(await inspect("package.json"), 3, /package\.json/);
    expectFailure(await inspect("no-such-file.safetensors"), 3, /no-such-file\.safetensors does not exist/);
  });

  it("ends with 2 without a path", async () => {
    expectFailure(await inspect(), 2, /missing required argument 'path'/);
  });
});
