import { type Command, Option } from "commander";
import { GENERATE_FIELDS as FIELDS } from "../generate/request.js";
import { real, whole } from "../options/fields.js";
import { DEVICES, type Device, type Quantisation } from "../runtime/device.js";
import { loraOption } from "./adapter-options.js";
import { number, oneOrNumbers, quantizeOption, repeated, type Size, size, wholeNumber, word } from "./values.js";

/** The options of `darkroom animate` as commander gives them. */
export interface AnimateOptions {
  readonly model: string;
  readonly motion: string;
  readonly frames?: number;
  readonly fps?: number;
  readonly negative?: string;
  readonly steps?: number;
  readonly guidance?: number | readonly number[];
  readonly seed?: string;
  readonly size?: Size;
  readonly scheduler?: string;
  readonly lora?: readonly ReturnType<typeof loraOption>[];
  readonly out?: string;
  readonly quality?: number;
  readonly force?: boolean;
  readonly cacheDir?: string;
  readonly offline?: boolean;
  readonly device: Device;
  readonly quantize?: Quantisation;
  readonly lowMemory?: boolean;
  readonly variant?: string;
  readonly quiet?: boolean;
}

/** `darkroom animate` makes a short video from a prompt. */
export function addAnimate(program: Command, signal: AbortSignal): void {
  program
    .command("animate")
    .description("make a short video from a prompt (AnimateDiff)")
    .argument("<prompt>", "what the video shows")
    .requiredOption("-m, --model <path>", "Stable Diffusion 1 checkpoint: folder, .safetensors file or hub id")
    .requiredOption("--motion <path>", "motion adapter for it: folder, .safetensors file or hub id")
    .option("--frames <n>", "frames (default: 16)", wholeNumber("--frames", whole(1, 1000)))
    .option("--fps <x>", "frames per second (default: 8)", number("--fps", real(0.1, 50)))
    .option("-n, --negative <prompt>", "what the video should not show")
    .option("--steps <n>", "denoising steps (default: 50)", wholeNumber("numInferenceSteps", FIELDS.numInferenceSteps))
    .option(
      "--guidance <x>",
      "guidance, off at 1 (default: 7.5); or one for each step",
      oneOrNumbers("guidanceScale", FIELDS.guidanceScale),
    )
    .option("-s, --seed <n>", "same seed, same video (default or -1: random)", word("seed", FIELDS.seed))
    .option("--size <WxH>", "pixels (default: the checkpoint's)", size("--size"))
    .option("--scheduler <name>", "see darkroom schedulers (default: the checkpoint's)")
    .option("--lora <path>", "LoRA, also of motion: file, folder or hub id[:WEIGHT]; repeatable", repeated(loraOption))
    .option("-o, --out <file>", ".webp, .gif, .png or .apng (default: .webp, named after prompt and seed)")
    .option("--quality <n>", "of WebP, 1 to 100 (default: 90)", wholeNumber("quality", whole(1, 100)))
    .option("-f, --force", "overwrite an existing file")
    .option("--cache-dir <dir>", "instead of ~/.cache/huggingface/hub (HF_HUB_CACHE)")
    .option("--offline", "use the cache only, never the network")
    .addOption(new Option("--device <name>", "where to run").choices(DEVICES).default("auto"))
    .addOption(quantizeOption())
    .option("--low-memory", "less memory, more time; the same video")
    .option("--variant <name>", "weight files to prefer, such as fp16", word("variant", FIELDS.variant))
    .option("-q, --quiet", "no progress")
    .option("--verbose", "show the stack of an error")
    .action(async (prompt: string, options: AnimateOptions) => {
      // Pipelines and networks are imported now, not for --help and wrong usage.
      const { makeAnimation } = await import("./make-animation.js");
      process.stdout.write(`${await makeAnimation(prompt, options, signal)}\n`);
    });
}
