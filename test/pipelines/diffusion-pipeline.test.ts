import { rmSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { CheckpointError, ConfigError, type DarkroomError, DeviceError } from "../../src/errors.js";
import { AutoencoderKL } from "../../src/models/autoencoder-kl.js";
import { DiffusionPipeline } from "../../src/pipelines/diffusion-pipeline.js";
import type { PipelineOptions } from "../../src/pipelines/open-pipeline.js";
import { StableDiffusionPipeline } from "../../src/pipelines/stable-diffusion.js";
import { StableDiffusionXLPipeline } from "../../src/pipelines/stable-diffusion-xl.js";
import { openFolder } from "../../src/platform/node/platform.js";
import type { Device } from "../../src/runtime/device.js";
import { DDIMScheduler } from "../../src/schedulers/ddim.js";
import { EulerDiscreteScheduler } from "../../src/schedulers/euler-discrete.js";
import { changedCheckpoint } from "../helpers/checkpoints.js";
import { checkpoint } from "../helpers/fixtures.js";
import { temporaryFolder } from "../helpers/temporary.js";
import { collectWarnings } from "../helpers/warnings.js";

async function open(...[path, options]: Parameters<typeof DiffusionPipeline.fromPretrained>) {
  const pipe = await DiffusionPipeline.fromPretrained(path, { device: "cpu", ...options });
  onTestFinished(() => pipe.dispose());
  return pipe;
}

async function failure(path: string, options?: PipelineOptions): Promise<DarkroomError> {
  return DiffusionPipeline.fromPretrained(path, options).then(
    () => expect.fail("no error"),
    (error) => error,
  );
}

describe("DiffusionPipeline.fromPretrained", () => {
  it("gives the pipeline that model_index.json names", async () => {
    expect(await open(checkpoint("sd1-mini"))).toBeInstanceOf(StableDiffusionPipeline);
    expect(await open(checkpoint("sdxl-base-mini"))).toBeInstanceOf(StableDiffusionXLPipeline);
  });

  it("takes a Folder as well as a path", async () => {
    expect(await open(openFolder(checkpoint("sd1-mini")))).toBeInstanceOf(StableDiffusionPipeline);
  });

  it("says where the networks run", async () => {
    expect((await open(checkpoint("sd1-mini"))).device).toBe("cpu");
  });

  it("uses the parts that the caller gives, and does not look for the checkpoint's", async () => {
    const vae = await AutoencoderKL.fromPretrained(checkpoint("vae-swap-mini"), { device: "cpu" });
    onTestFinished(() => vae.dispose());
    const scheduler = new EulerDiscreteScheduler();
    const folder = changedCheckpoint("sd1-mini", "vae", null);
    rmSync(join(folder, "scheduler"), { recursive: true });
    const pipe = await open(folder, { vae, scheduler });
    expect(pipe.vae).toBe(vae);
    expect(pipe.scheduler.className).toBe("EulerDiscreteScheduler");
  });
});

describe("a checkpoint is refused", () => {
  it("that does not exist, with what to check", async () => {
    const error = await failure("/no/such/folder");
    expect(error).toBeInstanceOf(CheckpointError);
    expect(error.message).toBe("/no/such/folder does not exist");
    expect(error.hint).toContain("check the path");
  });

  it("without model_index.json", async () => {
    const error = await failure(temporaryFolder());
    expect(error).toBeInstanceOf(CheckpointError);
    expect(error.message).toMatch(/has no model_index\.json$/);
  });

  it("with a model_index.json that is not JSON", async () => {
    const error = await failure(temporaryFolder({ "model_index.json": "{ not json" }));
    expect(error).toBeInstanceOf(CheckpointError);
    expect(error.message).toContain("model_index.json is not JSON");
  });

  it.each(["HunyuanImagePipeline", "toString", "__proto__"])("of the unknown class %s, with the known classes", async (name) => {
    const error = await failure(temporaryFolder({ "model_index.json": { _class_name: name } }));
    expect(error).toBeInstanceOf(ConfigError);
    expect(error.message).toMatch(new RegExp(`model_index\\.json is of class ${name}; expected one of .*\\bStableDiffusionPipeline\\b`));
  });

  it("that lists no part the pipeline needs, with how to give one", async () => {
    const folder = changedCheckpoint("sd1-mini", "model_index.json", { vae: undefined });
    const error = await failure(folder, { device: "cpu" });
    expect(error).toBeInstanceOf(CheckpointError);
    expect(error.message).toMatch(/model_index\.json lists no vae; StableDiffusionPipeline needs one$/);
    expect(error.hint).toBe("give one: fromPretrained(path, { vae: ... })");
  });

  it("with the part in the hint spelled like the option", async () => {
    const folder = changedCheckpoint("sd1-mini", "model_index.json", { text_encoder: undefined });
    expect((await failure(folder, { device: "cpu" })).hint).toContain("{ textEncoder: ... }");
  });

  it("with a part of a class that the pipeline cannot use", async () => {
    const folder = changedCheckpoint("sd1-mini", "model_index.json", { unet: ["diffusers", "UNet3DConditionModel"] });
    const error = await failure(folder, { device: "cpu" });
    expect(error).toBeInstanceOf(ConfigError);
    expect(error.message).toMatch(/unet is of class UNet3DConditionModel; expected one of UNet2DConditionModel$/);
  });

  it.each(["constructor", "__proto__", "toString"])(
    "with a part of the class %s, a name that every JavaScript object has",
    async (name) => {
      const folder = changedCheckpoint("sd1-mini", "model_index.json", { vae: ["diffusers", name] });
      const error = await failure(folder, { device: "cpu" });
      expect(error).toBeInstanceOf(ConfigError);
      expect(error.message).toContain(`vae is of class ${name}; expected one of AutoencoderKL, `);
    },
  );

  it("with an unknown scheduler, with the known ones", async () => {
    const folder = changedCheckpoint("sd1-mini", "model_index.json", { scheduler: ["diffusers", "MadeUpScheduler"] });
    const error = await failure(folder, { device: "cpu" });
    expect(error).toBeInstanceOf(ConfigError);
    expect(error.message).toMatch(/scheduler is of class MadeUpScheduler; expected one of .*DDIMScheduler/);
  });

  it.each(["unet", "vae", "text_encoder", "tokenizer", "scheduler"])("without the folder %s", async (part) => {
    const error = await failure(changedCheckpoint("sd1-mini", part, null), { device: "cpu" });
    expect(error).toBeInstanceOf(CheckpointError);
    expect(error.message).toContain(`/${part}`);
  });

  it("for a device that is not one, before anything else is loaded", async () => {
    const error = await failure(checkpoint("sd1-mini"), { device: "gpu" as Device });
    expect(error).toBeInstanceOf(DeviceError);
    expect(error.message).toMatch(/^device is "gpu"; expected one of auto, cpu/);
  });
});

describe("warnings", () => {
  it("say that a variant is missing and what is used instead", async () => {
    const warnings = collectWarnings();
    await open(checkpoint("sd1-mini"), { variant: "fp16" });
    expect(warnings).toHaveLength(3);
    expect(warnings.join("\n")).toMatch(/unet has no fp16 variant; diffusion_pytorch_model\.safetensors is used instead/);
  });

  it("are not given if the variant exists", async () => {
    const warnings = collectWarnings();
    await open(checkpoint("sdxl-base-mini"), { variant: "fp16" });
    expect(warnings).toEqual([]);
  });
});

describe("a scheduler config that old checkpoints have wrong", () => {
  it("is corrected: steps_offset 0 and clip_sample", async () => {
    const fields = { _class_name: "DDIMScheduler", steps_offset: 0, clip_sample: true };
    const folder = changedCheckpoint("sd1-mini", "scheduler/scheduler_config.json", fields);
    const { scheduler } = await open(folder, { scheduler: await DDIMScheduler.fromPretrained(folder, { subfolder: "scheduler" }) });
    expect(scheduler.config).toMatchObject({ stepsOffset: 1, clipSample: false });
  });

  it("is corrected without a warning", async () => {
    const warnings = collectWarnings();
    const ddim = new DDIMScheduler({ stepsOffset: 0, clipSample: true });
    await open(checkpoint("sd1-mini"), { scheduler: EulerDiscreteScheduler.fromConfig(ddim.config) });
    expect(warnings).toEqual([]);
  });
});

describe("a pipeline opened as another class than its checkpoint's", () => {
  it("refuses an XL checkpoint, and says what opens it", async () => {
    const error = await StableDiffusionPipeline.fromPretrained(checkpoint("sdxl-base-mini"), { device: "cpu" }).catch((reason) => reason);
    expect(error).toBeInstanceOf(ConfigError);
    expect(error.hint).toContain("StableDiffusionXL");
  });
});
