import { type Command, Option } from "commander";
import { PREDICTION_TYPES } from "../families/prediction-types.js";
import { PRESET_NAMES } from "../families/presets.js";
import { GUIDANCE_TEXT, MASK_STRENGTH_TEXT, REFINER_TEXT, STEPS_TEXT, STRENGTH_TEXT } from "../generate/default-texts.js";
import { HIRES_FIELDS } from "../generate/hires-request.js";
import { GENERATE_FIELDS as FIELDS } from "../generate/request.js";
import { EMBEDDED_CHECKPOINT } from "../hub/embedded.js";
import { whole } from "../options/fields.js";
import { DEVICES } from "../runtime/device.js";
import { SCHEDULE_NAMES } from "../schedulers/shared/named-schedules.js";
import { TIMESTEP_SPACINGS } from "../schedulers/shared/timestep-spacing.js";
import { embeddingOption, loraOption } from "./adapter-options.js";
import { addControlOptions } from "./control-options.js";
import { type GenerateOptions, toRequest } from "./generate-options.js";
import { HELP_SUBJECTS, subjectNames } from "./help-subjects.js";
import { imagePromptBlocksOption, imagePromptMaskOption, imagePromptOption } from "./image-prompt-options.js";
import {
  freeU,
  interval,
  number,
  numbers,
  oneOrNumbers,
  quantizeOption,
  repeated,
  type Size,
  size,
  stepCache,
  wholeNumber,
  word,
} from "./values.js";

/** `darkroom generate` makes pictures from a prompt, and from other pictures. */
export function addGenerate(program: Command, signal: AbortSignal): void {
  const generate = program
    .command("generate")
    .summary("make a picture from a prompt")
    .description(`make a picture from a prompt\n\n--help SUBJECT shows a part of this:\n${subjectNames()}`)
    .argument("[prompt]", "what the picture shows; not for checkpoints of pixels, such as DDPM");
  addPictureOptions(generate.optionsGroup(HELP_SUBJECTS.picture));
  addFamilyOptions(generate.optionsGroup(HELP_SUBJECTS.families));
  addStartOptions(generate.optionsGroup(HELP_SUBJECTS.start));
  addPartOptions(generate.optionsGroup(HELP_SUBJECTS.networks));
  addControlOptions(generate.optionsGroup(HELP_SUBJECTS.control));
  addHubOptions(generate.optionsGroup(HELP_SUBJECTS.hub));
  addOutputOptions(generate.optionsGroup(HELP_SUBJECTS.output));
  addRunOptions(generate.optionsGroup(HELP_SUBJECTS.running));
  generate.action(async (prompt: string | undefined, { json = false, quiet = false, ...options }: GenerateOptions) => {
    const request = toRequest(prompt, options);
    // Pipelines and networks are imported now, not for --help and wrong usage.
    const [{ makePictures }, { openProgress }] = await Promise.all([import("./make-pictures.js"), import("./progress.js")]);
    const print = (line: string) => process.stdout.write(`${line}\n`);
    const progress = await openProgress({ images: options.count, quiet });
    try {
      const made = await makePictures(request, options, { signal, progress, onSaved: json ? () => undefined : print });
      if (json) print(await (await import("./generate-json.js")).generateJson(options, request, made));
    } finally {
      progress.stop();
    }
  });
}

function addPictureOptions(generate: Command): void {
  generate
    .option("-m, --model <path>", `checkpoint: folder, .safetensors file or hub id (default: embedded, ${EMBEDDED_CHECKPOINT})`)
    .option("--config <folder>", "configs for a single file with unusual networks")
    .option(
      "--class <n>",
      "consistency models: what to show; or one for each picture: 207,281",
      oneOrNumbers("classLabels", FIELDS.classLabels),
    )
    .option("-n, --negative <prompt>", "what the picture should not show")
    .option("--weighted", "read (word:1.3) and [word] as AUTOMATIC1111 does")
    .option("--steps <n>", `denoising steps (default: ${short(STEPS_TEXT)})`, wholeNumber("numInferenceSteps", FIELDS.numInferenceSteps))
    .option("--timesteps <list>", "instead of --steps: the timesteps, such as 999,749,499,249", numbers("timesteps", FIELDS.timesteps))
    .option("--sigmas <list>", "instead of --steps: the noise levels, such as 14.6,2.2,0.5,0", numbers("sigmas", FIELDS.sigmas))
    .option(
      "--guidance <x>",
      `guidance, off at 1 (default: ${short(GUIDANCE_TEXT)}); or one for each step: 7,7,5,1`,
      oneOrNumbers("guidanceScale", FIELDS.guidanceScale),
    )
    .option("--guidance-rescale <x>", "against overexposure, such as 0.7 (default: 0)", number("guidanceRescale", FIELDS.guidanceRescale))
    .option("--guidance-interval <a-b>", "shares of the steps with guidance, such as 0.2-0.8", interval("--guidance-interval"))
    .option("-s, --seed <n>", "same seed, same picture (default or -1: random)", word("seed", FIELDS.seed))
    .option("--size <WxH>", "pixels (default: the checkpoint's, or the picture's); upscalers: those of --image", size("--size"))
    .option("-c, --count <n>", "pictures, with seeds n, n + 1, ...", wholeNumber("numImagesPerPrompt", FIELDS.numImagesPerPrompt), 1)
    .option("--scheduler <name>", "see darkroom schedulers (default: the checkpoint's)")
    .option(
      "--original-steps <n>",
      "LCM: steps of its distillation (default: the scheduler's)",
      wholeNumber("schedulerConfig.originalInferenceSteps", whole(1)),
    )
    .option("--freeu <s1,s2,b1,b2>", "FreeU, such as 0.9,0.2,1.5,1.6 (XL: 0.9,0.2,1.3,1.4)", freeU("--freeu"))
    .option("--pag <x>", "perturbed-attention guidance, such as 3; half as long again", number("pagScale", FIELDS.pagScale))
    .addOption(new Option("--preset <name>", "recipe of a few-step checkpoint or LoRA").choices(PRESET_NAMES))
    .option("--hires <x>", "make it x times as large, or WxH, in a second pass", scaleOrSize)
    .option("--hires-steps <n>", "steps of that pass (default: as many)", wholeNumber("hires.steps", HIRES_FIELDS.steps))
    .option("--hires-strength <x>", "how much it changes (default: 0.7, in tiles 0.3)", number("hires.strength", HIRES_FIELDS.strength))
    .option("--hires-upscaler <name>", "lanczos (default), nearest, latent, ...: see docs/upscaling.md; or a file")
    .option("--hires-tile <n>", "repaint tiles of n pixels a side, such as 512", wholeNumber("hires.tile", HIRES_FIELDS.tile))
    .option("--hires-overlap <n>", "pixels that tiles share (default: 64)", wholeNumber("hires.overlap", HIRES_FIELDS.overlap))
    .addOption(new Option("--prediction <type>", "what the network predicts (default: the checkpoint's)").choices(PREDICTION_TYPES))
    .addOption(new Option("--spacing <name>", "how timesteps are chosen (default: the scheduler's)").choices(TIMESTEP_SPACINGS))
    .addOption(new Option("--schedule <name>", "noise levels of the steps").choices(SCHEDULE_NAMES))
    .option("--clip-skip <n>", "last layers of the text encoder to skip", wholeNumber("clipSkip", FIELDS.clipSkip));
}

function addFamilyOptions(generate: Command): void {
  generate
    .option("--prompt2 <text>", "XL, FLUX.1, 3: for the second text encoder")
    .option("--prompt3 <text>", "3: for T5 alone")
    .option("--negative2 <text>", "as --prompt2: what it should not show")
    .option("--negative3 <text>", "as --prompt3: what it should not show")
    .option("--max-tokens <n>", "tokens of a prompt (default: 512; 3: 256)", wholeNumber("maxSequenceLength", FIELDS.maxSequenceLength))
    .option("--true-cfg <x>", "FLUX.1: guidance by --negative (default: 1, off)", number("trueCfgScale", FIELDS.trueCfgScale))
    .option("--cfg-truncation <x>", "Z-Image: no guidance after this share of the time", number("cfgTruncation", FIELDS.cfgTruncation))
    .option("--cfg-normalization <x>", "Z-Image: longest guided prediction, such as 1", number("cfgNormalization", FIELDS.cfgNormalization))
    .option(
      "--skip-layers <list>",
      "3.5: guidance without these blocks, such as 7,8,9",
      numbers("skipGuidanceLayers", FIELDS.skipGuidanceLayers),
    )
    .option("--skip-layer-scale <x>", "its strength (default: 2.8)", number("skipLayerGuidanceScale", FIELDS.skipLayerGuidanceScale))
    .option(
      "--skip-layer-start <x>",
      "share of the steps before it (default: 0.01)",
      number("skipLayerGuidanceStart", FIELDS.skipLayerGuidanceStart),
    )
    .option(
      "--skip-layer-stop <x>",
      "share of the steps at its end (default: 0.2)",
      number("skipLayerGuidanceStop", FIELDS.skipLayerGuidanceStop),
    )
    .option("--mu <x>", "3: shift of noise levels that depend on the size", number("mu", FIELDS.mu))
    .option("--max-area <n>", "Kontext: pixels of the result (default: 1048576)", wholeNumber("maxArea", FIELDS.maxArea))
    .option("--no-resize", "Kontext: see the picture in its own size")
    .option(
      "--text-layers <list>",
      "klein: layers of its text encoder (default: 9,18,27)",
      numbers("textEncoderOutLayers", FIELDS.textEncoderOutLayers),
    );
}

/** Reads `2` or `1024x1536`. */
function scaleOrSize(text: string): number | Size {
  return text.includes("x") ? size("--hires")(text) : number("hires.scale", HIRES_FIELDS.scale)(text);
}

function addStartOptions(generate: Command): void {
  generate
    .option(
      "--image <file>",
      "picture to change: a file or a web address; klein: repeatable",
      repeated((source) => source),
    )
    .option(
      "--strength <x>",
      `how much of it to change (default: ${STRENGTH_TEXT}; with a mask ${MASK_STRENGTH_TEXT})`,
      number("strength", FIELDS.strength),
    )
    .option("--image-guidance <x>", "InstructPix2Pix: likeness (default: 1.5)", number("imageGuidanceScale", FIELDS.imageGuidanceScale))
    .option("--noise-level <n>", "x4 upscaler: noise of the picture (default: 20)", wholeNumber("noiseLevel", FIELDS.noiseLevel))
    .option("--depth-map <file>", "Stable Diffusion 2 depth: its depth, near is bright")
    .option("--mask <file>", "repaint only where this mask is white")
    .option(
      "--mask-padding <n>",
      "work only on the masked part and n pixels around it",
      wholeNumber("paddingMaskCrop", FIELDS.paddingMaskCrop),
    );
}

function addPartOptions(generate: Command): void {
  generate
    .option("--lora <path>", "LoRA: file, folder or hub id[:WEIGHT]; repeatable", repeated(loraOption))
    .option("--lora-dir <dir>", "folder of LoRAs, for <lora:name:0.8> in prompts")
    .option("--embedding <path>", "embedding: file, folder or hub id[:TOKEN]; repeatable", repeated(embeddingOption))
    .option("--embedding-dir <dir>", "folder of embeddings, used by their names in prompts")
    .option(
      "--ip-adapter <path>",
      "IP-Adapter: file, folder or hub file; repeatable",
      repeated((text) => text),
    )
    .option("--ip-image <file>", "picture beside the prompt, for it[:SCALE]; repeatable", repeated(imagePromptOption))
    .option("--ip-mask <file>", "that picture acts where this is white; or none; repeatable", repeated(imagePromptMaskOption))
    .option("--ip-blocks <name>", "its part: style, layout (XL); or blocks in JSON", repeated(imagePromptBlocksOption))
    .option("--ip-encoder <dir>", "its image encoder (default: image_encoder beside it)")
    .option("--refiner <path>", "XL checkpoint that takes the last steps")
    .option(
      "--refine-from <x>",
      `share of the denoising before the refiner (default: ${REFINER_TEXT})`,
      number("denoisingEnd", FIELDS.denoisingEnd),
    )
    .option("--vae <path>", "autoencoder to use instead; taesd: a tiny, fast one")
    .option(
      "--text-encoder <file>",
      "text encoder for a transformer's file; repeatable",
      repeated((text) => text),
    )
    .option("--upscale <file>", "ESRGAN upscaler (.safetensors) for the finished pictures");
}

function addOutputOptions(generate: Command): void {
  generate
    .option("-o, --out <path>", ".png, .jpg or .webp file, or folder (default: named after prompt and seed)")
    .option("--jpeg", "write JPEG if --out names no file")
    .option("--webp", "write WebP if --out names no file")
    .option("--quality <n>", "of JPEG and WebP, 1 to 100 (default: 90)", wholeNumber("quality", whole(1, 100)))
    .option("--grid", "also save all pictures side by side")
    .option("-f, --force", "overwrite existing files")
    .option("--json", "print one line of JSON instead of the paths")
    .option("-q, --quiet", "no progress");
}

function addHubOptions(generate: Command): void {
  generate
    .option("--revision <name>", "branch, tag or commit of --model (default: main)")
    .option("--cache-dir <dir>", "instead of ~/.cache/huggingface/hub (HF_HUB_CACHE)")
    .option("--offline", "use the cache only, never the network");
}

function addRunOptions(generate: Command): void {
  generate
    .addOption(new Option("--device <name>", "where to run").choices(DEVICES).default("auto"))
    .option("--fast", "8 bits (WebGPU: 16): faster, not quite the same picture")
    .option("--cache <n>", "whole UNet every nth step, or (0.1) after a change: faster, not quite the same", stepCache("--cache"))
    .option(
      "--token-merging <x>",
      "merge this share of tokens, such as 0.5: large pictures faster",
      number("tokenMerging", FIELDS.tokenMerging),
    )
    .addOption(quantizeOption())
    .option("--low-memory", "less memory, more time; the same picture")
    .option("--variant <name>", "weight files to prefer, such as fp16", word("variant", FIELDS.variant))
    .option("--verbose", "show the stack of an error")
    .addHelpOption(new Option("-h, --help", "show this").helpGroup(HELP_SUBJECTS.running));
}

/** A text for a line of the help. */
function short(defaults: string): string {
  return defaults.replace("embedded checkpoint", "embedded");
}
