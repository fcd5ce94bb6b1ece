import { readFileSync, writeFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { readConfig } from "../../../src/checkpoint/config.js";
import type { JsonObject } from "../../../src/checkpoint/json.js";
import { openWeights } from "../../../src/checkpoint/weights.js";
import { ConfigError } from "../../../src/errors.js";
import { openCheckpoint } from "../../../src/hub/open-checkpoint.js";
import { inspect } from "../../../src/inspect/inspect.js";
import type { Folder } from "../../../src/platform/folder.js";
import { locationOf } from "../../../src/platform/node/disk-file.js";
import { Tensor } from "../../../src/tensor/tensor.js";
import { checkpointError } from "../../helpers/errors.js";
import { checkpoint } from "../../helpers/fixtures.js";
import { FULL_SIZE, sparseFile } from "../../helpers/full-size-files.js";
import { HubServer } from "../../helpers/hub-server.js";
import { singleFile } from "../../helpers/single-files.js";
import { collectWarnings } from "../../helpers/warnings.js";

/** A full-sized file, with this text in the .yaml beside it. */
function withYaml(yaml: string, name = "sd15", metadata?: Readonly<Record<string, string>>): string {
  const path = sparseFile(FULL_SIZE[name]?.() ?? {}, metadata);
  writeFileSync(path.replace(/\.safetensors$/, ".yaml"), yaml);
  return path;
}

const params = (...lines: readonly string[]) => ["model:", "  params:", ...lines.map((line) => `    ${line}`)].join("\n");
const schedulerOf = (folder: Folder): Promise<JsonObject> => readConfig(folder.open("scheduler"), "scheduler_config.json");
const opened = async (...args: Parameters<typeof withYaml>) => openCheckpoint(withYaml(...args));

/** As Stability publishes them, shortened. */
const V2 = `model:
  target: ldm.models.diffusion.ddpm.LatentDiffusion
  params:
    linear_start: 0.00085
    linear_end: 0.0120
    timesteps: 1000
    image_size: 64
    scale_factor: 0.18215
    use_ema: False # we set this to false because this is an inference only config
`;
const V2_V = V2.replace("params:", 'params:\n    parameterization: "v"');

describe("the .yaml beside a single file", () => {
  it.each([
    ["v", { predictionType: "v_prediction", _className: "PNDMScheduler" }],
    ["eps", { _className: "PNDMScheduler" }],
    // PNDM knows no network that predicts the picture.
    ["x0", { predictionType: "sample", _className: "DDIMScheduler" }],
  ])("says what the UNet predicts: parameterization %s", async (parameterization, expected) => {
    expect(await schedulerOf(await opened(params(`parameterization: "${parameterization}"`)))).toMatchObject(expected);
  });

  it.each([
    ["VScaling", "v_prediction"],
    ["EpsScaling", "epsilon"],
  ])("says it by the class that scales the output, in sgm's configs: %s", async (name, predictionType) => {
    const scaling = `denoiser_config: { params: { scaling_config: { target: sgm.modules.diffusionmodules.denoiser_scaling.${name} } } }`;
    expect(await schedulerOf(await opened(params(scaling), "sdxl-base"))).toMatchObject({ predictionType });
  });

  it("of Stable Diffusion 2 says which of the two models it is, so nothing is assumed", async () => {
    const heard = collectWarnings();
    const [small, large] = [await opened(V2, "sd21"), await opened(V2_V, "sd21")];
    expect(await schedulerOf(small)).toMatchObject({ predictionType: "epsilon", _className: "PNDMScheduler" });
    expect(await schedulerOf(large)).toMatchObject({ predictionType: "v_prediction", _className: "DDIMScheduler" });
    // Both say 64, for the second as well, which was trained at 96.
    expect((await readConfig(small.open("unet"), "config.json")).sampleSize).toBe(64);
    expect((await readConfig(large.open("unet"), "config.json")).sampleSize).toBe(96);
    expect(heard).toEqual([]);
  });

  it("says the range of betas and the number of timesteps in training", async () => {
    const folder = await opened(params("linear_start: 0.001", "linear_end: 0.02", "timesteps: 500"));
    expect(await schedulerOf(folder)).toMatchObject({ betaStart: 0.001, betaEnd: 0.02, numTrainTimesteps: 500 });
  });

  it.each([
    ["linear", "scaled_linear"],
    ["sqrt_linear", "linear"],
    ["cosine", "squaredcos_cap_v2"],
  ])("says the schedule of betas: ldm's %s is diffusers' %s", async (name, betaSchedule) => {
    expect(await schedulerOf(await opened(params(`beta_schedule: ${name}`)))).toMatchObject({ betaSchedule });
  });

  it("is read as YAML 1.1, as in Python: keys merge, and `no` is false", async () => {
    const yaml = `base: &base\n  parameterization: v\n${params("<<: *base", "use_ema: no")}`;
    expect(await schedulerOf(await opened(yaml))).toMatchObject({ predictionType: "v_prediction" });
  });

  it.each([`parameterization: v\n${params("linear_start: 0.00085")}`, params("unet_config: { params: { parameterization: v } }")])(
    "counts in model.params alone, as in ldm, with a warning: %j",
    async (yaml) => {
      const heard = collectWarnings();
      expect((await schedulerOf(await opened(yaml))).predictionType).toBeUndefined();
      expect(heard).toEqual([
        expect.stringMatching(/model\.yaml has a parameterization outside model\.params, which is ignored.*give predictionType/),
      ]);
    },
  );

  it("does not make the scheduler start at full noise by zero_terminal_snr, with a warning", async () => {
    const warnings = collectWarnings();
    const [on, off] = [await opened(params("zero_terminal_snr: true")), await opened(params("zero_terminal_snr: false"))];
    expect(await schedulerOf(on)).toEqual(await schedulerOf(off));
    expect(warnings).toEqual([expect.stringMatching(/model\.yaml has zero_terminal_snr, which is ignored\. .*rescale_betas_zero_snr/)]);
  });

  it.each([
    ["in latents", 96],
    ["in pixels", 768],
  ])("says the size of pictures, %s", async (_, size) => {
    const folder = await opened(params(`image_size: ${size}`));
    expect((await readConfig(folder.open("unet"), "config.json")).sampleSize).toBe(96);
  });

  it("says the scale of latents", async () => {
    const folder = await opened(params("scale_factor: 0.25"));
    expect((await readConfig(folder.open("vae"), "config.json")).scalingFactor).toBe(0.25);
  });

  it("chooses the moving average of the UNet's weights if the file has it", async () => {
    const tensors = (own: Record<string, Tensor>) => ({
      ...own,
      ...Object.fromEntries(
        Object.entries(own).flatMap(([each, tensor]) =>
          each.startsWith("model.") ? [[`model_ema.diffusion_model${each.slice(22).replaceAll(".", "")}`, tensor.map(() => 7)]] : [],
        ),
      ),
    });
    const path = singleFile("sd1-mini", { tensors: tensors as never });
    const biasAt = async () => {
      const weights = await openWeights((await openCheckpoint(path, { config: checkpoint("sd1-mini") })).open("unet"));
      const { file, offset, length } = weights.get("conv_out.bias");
      return Array.from(new Float32Array(readFileSync(locationOf(file)).buffer.slice(offset, offset + length)));
    };
    const plain = await biasAt();
    expect(plain).not.toContain(7);
    writeFileSync(path.replace(/safetensors$/, "yaml"), params("use_ema: false"));
    expect(await biasAt()).toEqual(plain);
    writeFileSync(path.replace(/safetensors$/, "yaml"), params("use_ema: true"));
    expect(await biasAt()).toEqual(plain.map(() => 7));
    const pruned = singleFile("sd1-mini");
    writeFileSync(pruned.replace(/safetensors$/, "yaml"), params("use_ema: true"));
    expect(locationOf((await openWeights((await openCheckpoint(pruned)).open("unet"))).get("conv_out.bias").file)).toBe(pruned);
  });

  it("is named by inspect as the source of what it says", async () => {
    const found = await inspect(withYaml(params('parameterization: "v"', "image_size: 96")));
    expect(found).toMatchObject({
      predictionType: "v_prediction",
      size: 768,
      sources: { predictionType: "model.yaml", size: "model.yaml", family: "its UNet's text features, 768 wide" },
    });
  });

  it("is downloaded with a file on the hub", async () => {
    const path = withYaml(params('parameterization: "v"'));
    const hub = await HubServer.start({
      "someone/files": {
        "sd/a.safetensors": readFileSync(singleFile("sd1-mini")),
        "sd/a.yaml": readFileSync(path.replace(/safetensors$/, "yaml")),
      },
    });
    expect(await schedulerOf(await openCheckpoint("someone/files/sd/a.safetensors"))).toMatchObject({ predictionType: "v_prediction" });
    expect(hub.fetched).toEqual(["sd/a.safetensors", "sd/a.yaml"]);
  });

  it("of something else is ignored, with a warning", async () => {
    const heard = collectWarnings();
    expect(await schedulerOf(await opened("title: My model"))).toMatchObject({ _className: "PNDMScheduler" });
    expect(heard).toEqual([expect.stringMatching(/model\.yaml has no model\.params, so it is not the config of the checkpoint beside it/)]);
  });

  it.each([
    ["is no YAML", "model: [", /model\.yaml is not YAML: /],
    ["is far too large", `a: ${"b".repeat(300_000)}`, /model\.yaml has 300003 bytes; a checkpoint's config has at most 200000/],
    [
      "grows without end",
      `a: &a [1,1,1,1,1,1,1,1,1,1]\n${Array.from({ length: 9 }, (_, i) => `${"bcdefghij"[i]}: &${"bcdefghij"[i]} [${Array(10).fill(`*${"abcdefghi"[i]}`)}]`).join("\n")}`,
      /model\.yaml is not YAML: Excessive alias count/,
    ],
  ])("is refused if it %s", async (_, yaml, message) => {
    const error = await checkpointError(opened(yaml));
    expect(error.message).toMatch(message);
    expect(error.hint).toBe("correct the file, or move it elsewhere to open the checkpoint without it");
  });

  it.each([
    ['parameterization: "w"', /model\.params\.parameterization is "w"; expected one of "eps", "v", "x0"/],
    ["beta_schedule: sqrt", /model\.params\.beta_schedule is "sqrt"; expected one of "linear", "sqrt_linear", "cosine"/],
    ["linear_start: -1", /model\.params\.linear_start is -1; expected a number between 0 and 1/],
    ["image_size: many", /model\.params\.image_size is "many"; expected number/],
  ])("is refused for %s", async (line, message) => {
    await expect(opened(params(line))).rejects.toThrow(ConfigError);
    await expect(opened(params(line))).rejects.toThrow(message);
  });
});

describe("of what an author wrote counts", () => {
  const v = params('parameterization: "v"');
  it.each([
    ["the caller's word before everything", v, { "modelspec.prediction_type": "v" }, "epsilon", "epsilon"],
    ["the .yaml before the metadata", v, { "modelspec.prediction_type": "epsilon" }, undefined, "v_prediction"],
    [
      "metadata win over ldm's assumption for a .yaml that states nothing",
      V2,
      { "modelspec.prediction_type": "v" },
      undefined,
      "v_prediction",
    ],
    ["what the metadata call a picture", "", { "modelspec.prediction_type": "sample" }, undefined, "sample"],
  ] as const)("%s", async (_, yaml, metadata, predictionType, expected) => {
    const path = yaml === "" ? sparseFile(FULL_SIZE.sd21?.() ?? {}, metadata) : withYaml(yaml, "sd21", metadata);
    expect(await schedulerOf(await openCheckpoint(path, { predictionType }))).toMatchObject({ predictionType: expected });
  });

  it("nothing if configs are given, with a warning if they state something else", async () => {
    const heard = collectWarnings();
    const vPred = singleFile("sdxl-base-mini", { tensors: (own) => ({ ...own, v_pred: Tensor.from([], [0]) }) });
    const config = checkpoint("sdxl-base-mini");
    await openCheckpoint(vPred, { config });
    expect(heard).toEqual([
      expect.stringMatching(
        /predicts v_prediction, as v_pred in the file says, but the scheduler of .*sdxl-base-mini, which is used, is for epsilon.*predictionType: "v_prediction"$/,
      ),
    ]);
    await openCheckpoint(vPred, { config, predictionType: "v_prediction" });
    expect(heard).toHaveLength(1);
  });
});
