import { cpSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { openWeights } from "../../../src/checkpoint/weights.js";
import { CheckpointError } from "../../../src/errors.js";
import { generate } from "../../../src/generate/generate.js";
import type { GeneratedPicture } from "../../../src/generate/run.js";
import { openCheckpoint } from "../../../src/hub/open-checkpoint.js";
import { AutoencoderKL, AutoencoderKLQwenImage, Qwen3Model, type Tensor, ZImagePipeline } from "../../../src/index.js";
import { authorsLayout, prefixed } from "../../helpers/authors-layout.js";
import type { Tensors } from "../../helpers/checkpoints.js";
import { largestDifference } from "../../helpers/differences.js";
import { checkpoint } from "../../helpers/fixtures.js";
import { partTensors } from "../../helpers/part-tensors.js";
import { readTensors, writeSafetensors } from "../../helpers/safetensors.js";
import { temporaryFolder } from "../../helpers/temporary.js";

const NAME = "z-image-mini";
const REQUEST = {
  prompt: "a red fox",
  numInferenceSteps: 2,
  guidanceScale: 0,
  height: 32,
  width: 32,
  seed: 0,
  outputType: "tensor",
} as const;

/** The tensors of a part. */
const part = (name: string) => partTensors(`${NAME}/${name}`);

const transformer = (prefix = "") => prefixed(authorsLayout("ZImageTransformer2DModel", part("transformer")), prefix);

function file(name: string, tensors: Tensors): string {
  const path = join(temporaryFolder(), name);
  writeSafetensors(path, tensors);
  return path;
}

/** The checkpoint's configs and tokenizer, without weights. */
function configs(): string {
  const folder = join(temporaryFolder(), "configs");
  cpSync(checkpoint(NAME), folder, { recursive: true });
  for (const path of readdirSync(folder, { recursive: true, encoding: "utf8" })) {
    if (path.endsWith(".safetensors")) rmSync(join(folder, path));
  }
  return folder;
}

describe("a transformer in a file of its own", () => {
  let expected: Tensor;
  beforeAll(async () => {
    await using pipe = await ZImagePipeline.fromPretrained(checkpoint(NAME));
    expected = (await pipe.generate(REQUEST)).images;
  });

  it("makes the checkpoint's pictures with parts that are opened from files", async () => {
    const config = configs();
    await using textEncoder = await Qwen3Model.fromSingleFile(file("qwen_3_4b.safetensors", part("text_encoder")));
    await using vae = await AutoencoderKL.fromSingleFile(file("ae.safetensors", part("vae")), { config: join(config, "vae") });
    const path = file("z_image.safetensors", transformer());
    await using pipe = await ZImagePipeline.fromSingleFile(path, { config, textEncoder, vae });
    expect(largestDifference((await pipe.generate(REQUEST)).images, expected)).toBeLessThan(1e-5);
  });

  it("makes them from a request that names the files", async () => {
    const { prompt, numInferenceSteps, guidanceScale, height, width, seed } = REQUEST;
    const { pictures } = await generate({
      ...{ prompt, numInferenceSteps, guidanceScale, height, width, seed },
      model: file("z_image.safetensors", transformer("model.diffusion_model.")),
      config: configs(),
      textEncoder: file("qwen_3_4b.safetensors", part("text_encoder")),
      vae: file("ae.safetensors", part("vae")),
    });
    const [{ image }] = pictures as [GeneratedPicture];
    const { data } = image;
    const size = height * width;
    const channels = data.length / size;
    const errors = Array.from({ length: size }, (_, i) => Math.abs((data[i * channels] as number) - 255 * (expected.data[i] as number)));
    expect(Math.max(...errors)).toBeLessThanOrEqual(1);
  });

  it("makes them from one file with everything", async () => {
    const all = {
      ...transformer("model.diffusion_model."),
      ...prefixed(part("text_encoder"), "text_encoders.qwen3_4b.transformer."),
      ...prefixed(part("vae"), "vae."),
    };
    await using pipe = await ZImagePipeline.fromPretrained(file("all.safetensors", all), { config: configs() });
    const { images } = await pipe.generate(REQUEST);
    expect(largestDifference(images, expected)).toBeLessThan(1e-5);
  });

  it("says what is missing, and where it usually is", async () => {
    const opened = ZImagePipeline.fromSingleFile(file("z_image.safetensors", transformer()), { config: configs() });
    await expect(opened).rejects.toThrow(CheckpointError);
    const error = await opened.catch((thrown: CheckpointError) => thrown);
    expect(String((error as Error).message)).toMatch(/has no (vae \(AutoencoderKL\)|text_encoder \(Qwen3Model\))/);
    expect(JSON.stringify((error as CheckpointError).hint)).toMatch(/z_image_turbo\/split_files/);
  });

  it("refuses a text encoder that it has no place for", async () => {
    const opened = generate({
      prompt: "a fox",
      model: file("z_image.safetensors", transformer()),
      config: configs(),
      textEncoder: file("clip.safetensors", readTensors(checkpoint("sd1-mini/text_encoder/model.safetensors"))),
    });
    await expect(opened).rejects.toThrow(/is a CLIPTextModel, .* numbers wide, which .* has no place for/);
  });

  it("needs the published configs, which are on the hub", async () => {
    const opened = ZImagePipeline.fromSingleFile(file("z_image.safetensors", transformer()), {
      localFilesOnly: true,
      cacheDir: temporaryFolder(),
    });
    await expect(opened).rejects.toThrow("z_image.safetensors needs the configs and tokenizers of Tongyi-MAI/Z-Image-Turbo");
  });
});

it("opens Qwen-Image's autoencoder with its authors' names", async () => {
  const tensors = readTensors(checkpoint("qwen-image-mini/vae/diffusion_pytorch_model.safetensors"));
  const path = file("qwen_image_vae.safetensors", wanNames(tensors));
  const weights = await openWeights(await openCheckpoint(path));
  expect(weights.names().sort()).toEqual(Object.keys(tensors).sort());
  await using whole = await AutoencoderKLQwenImage.fromPretrained(checkpoint("qwen-image-mini/vae"));
  await using own = await AutoencoderKLQwenImage.fromSingleFile(path, { config: checkpoint("qwen-image-mini/vae") });
  const latents = whole.config.latentsMean.length;
  expect(own.config).toEqual(whole.config);
  expect(latents).toBe(4);
});

/** The names that Wan's authors give to the layers of its autoencoder; a level has two residual blocks on the way up. */
function wanNames(tensors: Tensors): Tensors {
  const resnet = (name: string) =>
    name
      .replace("conv_shortcut.", "shortcut.")
      .replace("norm1.", "residual.0.")
      .replace("conv1.", "residual.2.")
      .replace("norm2.", "residual.3.")
      .replace("conv2.", "residual.6.");
  const renamed = Object.entries(tensors).map(([name, tensor]) => {
    const [, half, rest = ""] = /^(encoder|decoder)\.(.+)$/.exec(name) ?? [];
    if (half === undefined) return [name.replace("post_quant_conv", "conv2").replace("quant_conv", "conv1"), tensor] as const;
    const up = /^up_blocks\.(\d)\.(resnets|upsamplers)\.(\d)\.(.+)$/.exec(rest);
    if (up)
      return [`decoder.upsamples.${Number(up[1]) * 3 + (up[2] === "resnets" ? Number(up[3]) : 2)}.${resnet(up[4] ?? "")}`, tensor] as const;
    const own = rest
      .replace("conv_in.", "conv1.")
      .replace("conv_out.", "head.2.")
      .replace("norm_out.", "head.0.")
      .replace("mid_block.attentions.0.", "middle.1.");
    const middle = /^mid_block\.resnets\.(\d)\.(.+)$/.exec(own);
    if (middle) return [`${half}.middle.${Number(middle[1]) * 2}.${resnet(middle[2] ?? "")}`, tensor] as const;
    const down = /^down_blocks\.(\d+)\.(.+)$/.exec(own);
    return [`${half}.${down ? `downsamples.${down[1]}.${resnet(down[2] ?? "")}` : own}`, tensor] as const;
  });
  return Object.fromEntries(renamed);
}
