import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import {
  CLIPImageProcessor,
  ControlNetModel,
  DDPMPipeline,
  type DiffusionPipeline,
  StableDiffusionControlNetPipeline,
  StableDiffusionImg2ImgPipeline,
  StableDiffusionPipeline,
  StableDiffusionSafetyChecker,
  StableDiffusionXLImg2ImgPipeline,
  StableDiffusionXLPipeline,
} from "../../src/index.js";
import { checkpoint } from "../helpers/fixtures.js";
import { singleFile } from "../helpers/single-files.js";
import { temporaryFolder } from "../helpers/temporary.js";

/** What diffusers' save_pretrained wrote: by path, the JSON or the hash of a weight file. `make/saving.py` made it. */
const CASES = JSON.parse(readFileSync(new URL("../fixtures/saving/folders.json", import.meta.url), "utf8")) as Readonly<
  Record<string, { readonly options: { readonly variant?: string }; readonly files: Readonly<Record<string, unknown>> }>
>;

const PIPELINES: Readonly<Record<string, () => Promise<DiffusionPipeline>>> = {
  sd1: () => StableDiffusionPipeline.fromPretrained(checkpoint("sd1-mini")),
  "sd1-half": () => StableDiffusionPipeline.fromPretrained(checkpoint("sd1-mini")),
  "sd1-bfloat": () => StableDiffusionPipeline.fromPretrained(checkpoint("sd1-mini")),
  "sd1-img2img": async () => {
    const pipe = await StableDiffusionPipeline.fromPretrained(checkpoint("sd1-mini"));
    const other = await StableDiffusionImg2ImgPipeline.fromPipe(pipe);
    await pipe.dispose();
    return other;
  },
  "sd1-fused": async () => {
    const pipe = await StableDiffusionPipeline.fromPretrained(checkpoint("sd1-mini"));
    await pipe.loadLoraWeights(checkpoint("../fixtures/lora/adapters/sd1_peft.safetensors"));
    pipe.fuseLora({ loraScale: 0.7 });
    pipe.unloadLoraWeights();
    return pipe;
  },
  controlnets: async () => {
    const safety = checkpoint("safety-mini");
    const nets = [await ControlNetModel.fromPretrained(checkpoint("controlnet-mini"))];
    return StableDiffusionControlNetPipeline.fromPretrained(checkpoint("sd1-mini"), {
      controlnet: [...nets, ...nets],
      safetyChecker: await StableDiffusionSafetyChecker.fromPretrained(safety),
      featureExtractor: await CLIPImageProcessor.fromPretrained(safety),
    });
  },
  sd2: () => StableDiffusionPipeline.fromPretrained(checkpoint("sd2-mini")),
  "xl-half": () => StableDiffusionXLPipeline.fromPretrained(checkpoint("sdxl-base-mini"), { variant: "fp16" }),
  "xl-refiner": () => StableDiffusionXLImg2ImgPipeline.fromPretrained(checkpoint("sdxl-refiner-mini")),
  ddpm: () => DDPMPipeline.fromPretrained(checkpoint("ddpm-mini")),
  "single-sd1": () => StableDiffusionPipeline.fromSingleFile(singleFile("sd1-mini"), { config: checkpoint("sd1-mini") }),
  "single-sd2": () => StableDiffusionPipeline.fromSingleFile(singleFile("sd2-mini"), { config: checkpoint("sd2-mini") }),
  "single-xl": () => StableDiffusionXLPipeline.fromSingleFile(singleFile("sdxl-base-mini"), { config: checkpoint("sdxl-base-mini") }),
};

const DTYPES: Readonly<Record<string, "float16" | "bfloat16" | "float32">> = { "sd1-half": "float16", "sd1-bfloat": "bfloat16" };

describe("savePretrained writes what diffusers' save_pretrained writes", () => {
  for (const [name, { options, files }] of Object.entries(CASES)) {
    it(`of ${name}`, async () => {
      await using pipe = await (PIPELINES[name] as () => Promise<DiffusionPipeline>)();
      const folder = join(temporaryFolder(), "saved");
      await pipe.savePretrained(folder, { ...options, dtype: DTYPES[name] });
      const ours = filesIn(folder);
      expect(Object.keys(ours)).toEqual(expect.arrayContaining(Object.keys(files)));
      for (const [path, expected] of Object.entries(files)) {
        if (path.endsWith(".json")) expect.soft(ours[path], path).toMatchObject(expected as object);
        else expect.soft(ours[path], path).toBe(expected);
      }
    });
  }
});

/** The JSON and the hashes of the files in a folder, by path. */
function filesIn(folder: string): Record<string, unknown> {
  const paths = readdirSync(folder, { recursive: true, encoding: "utf8" }).filter((path) => /\.(json|safetensors)$/.test(path));
  return Object.fromEntries(
    paths.sort().map((path) => {
      const bytes = readFileSync(join(folder, path));
      return [path, path.endsWith(".json") ? JSON.parse(bytes.toString()) : createHash("sha256").update(bytes).digest("hex")];
    }),
  );
}
