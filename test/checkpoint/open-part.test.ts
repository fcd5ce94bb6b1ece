import { describe, expect, it } from "vitest";
import { CheckpointError } from "../../src/errors.js";
import { CLIPImageProcessor } from "../../src/image/clip-image-processor.js";
import { AutoencoderKL } from "../../src/models/autoencoder-kl.js";
import { UNet2DModel } from "../../src/models/unet-2d.js";
import { UNet2DConditionModel } from "../../src/models/unet-2d-condition.js";
import { DDIMPipeline } from "../../src/pipelines/ddim.js";
import { DDIMScheduler } from "../../src/schedulers/ddim.js";
import { DDPMScheduler } from "../../src/schedulers/ddpm.js";
import { CLIPTokenizer } from "../../src/tokenizer/clip.js";
import { checkpoint } from "../helpers/fixtures.js";

const [flat, nested, sd1, vae] = ["ddpm-flat", "ddpm-mini", "sd1-mini", "vae-swap-mini"].map(checkpoint) as [
  string,
  string,
  string,
  string,
];

describe("A checkpoint with all files in one folder", () => {
  it("gives its parts without a subfolder, and its pipeline", async () => {
    await using unet = await UNet2DModel.fromPretrained(flat);
    expect(unet.sampleSize).toEqual([16, 16]);
    expect((await DDPMScheduler.fromPretrained(flat)).config).toMatchObject({ numTrainTimesteps: 1000 });
    expect(await DDIMScheduler.fromPretrained(flat, { subfolder: "" })).toBeInstanceOf(DDIMScheduler);
    await using pipe = await DDIMPipeline.fromPretrained(flat);
    expect(pipe.unet.config).toEqual(unet.config);
  });
});

describe("A part in another folder of its checkpoint", () => {
  it.each([
    [
      "a network",
      () => UNet2DModel.fromPretrained(flat, { subfolder: "unet" }),
      "unet/config.json",
      "unet; the folder itself holds a UNet2DModel",
    ],
    [
      "a scheduler",
      () => DDPMScheduler.fromPretrained(flat, { subfolder: "scheduler" }),
      "scheduler/scheduler_config.json",
      "scheduler; the folder itself holds a DDPMScheduler",
    ],
    [
      "an autoencoder",
      () => AutoencoderKL.fromPretrained(vae, { subfolder: "vae" }),
      "vae/config.json",
      "vae; the folder itself holds an AutoencoderKL",
    ],
    [
      "a tokenizer",
      () => CLIPTokenizer.fromPretrained(checkpoint("tokenizer-mini"), { subfolder: "tokenizer" }),
      "tokenizer/vocab.json",
      "tokenizer; the folder itself holds a tokenizer",
    ],
  ] as [string, () => Promise<unknown>, string, string][])("is found in the folder itself: %s", async (_, open, file, hint) => {
    const error = await open().catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(CheckpointError);
    expect(error).toMatchObject({
      message: expect.stringContaining(`${file} does not exist`),
      hint: `there is no subfolder ${hint}: leave out subfolder`,
    });
  });

  it.each([
    [
      "the only network",
      () => UNet2DModel.fromPretrained(nested),
      'the folder holds a UNet2DModel in its subfolder unet: give { subfolder: "unet" }',
    ],
    [
      "the network of the class that was asked for",
      () => AutoencoderKL.fromPretrained(sd1),
      'the folder holds an AutoencoderKL in its subfolder vae: give { subfolder: "vae" }',
    ],
    [
      "networks of other classes, with their names",
      () => UNet2DModel.fromPretrained(sd1),
      "name the subfolder of the part: unet (a UNet2DConditionModel), vae (an AutoencoderKL), text_encoder (a CLIPTextModel)",
    ],
    [
      "under another name",
      () => UNet2DConditionModel.fromPretrained(sd1, { subfolder: "unett" }),
      'the folder holds a UNet2DConditionModel in its subfolder unet: give { subfolder: "unet" }',
    ],
    ["a scheduler", () => DDIMScheduler.fromPretrained(sd1), 'in its subfolder scheduler: give { subfolder: "scheduler" }'],
    [
      "a tokenizer",
      () => CLIPTokenizer.fromPretrained(sd1),
      'the folder holds a tokenizer in its subfolder tokenizer: give { subfolder: "tokenizer" }',
    ],
  ] as [string, () => Promise<unknown>, string][])("is found in a subfolder: %s", async (_, open, hint) => {
    const error = await open().catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(CheckpointError);
    expect(error).toMatchObject({ hint: expect.stringContaining(hint) });
  });

  it("is missing if no folder has it", async () => {
    await expect(CLIPImageProcessor.fromPretrained(sd1, { subfolder: "feature_extractor" })).rejects.toThrow(
      /preprocessor_config\.json does not exist/,
    );
  });
});
