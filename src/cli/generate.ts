import { type Command, Option } from "commander";
import { DEVICES } from "../runtime/engine.js";
import { type GenerateOptions, type GenerateRequest, toRequest } from "./generate-request.js";
import type { MadePictures } from "./make-pictures.js";
import { number, seed, size, wholeNumber, word } from "./values.js";

/** Beyond this, `--count` is a slip of the finger. */
const MOST_PICTURES = 10_000;

/** `darkroom generate`: pictures from a prompt. */
export function addGenerate(program: Command, signal: AbortSignal): void {
  program
    .command("generate")
    .description("make a picture from a prompt")
    .argument("<prompt>", "what the picture shows")
    .option("-m, --model <folder>", "checkpoint in the diffusers layout (default: embedded)")
    .option("-n, --negative <prompt>", "what it should not show", "")
    .option("--steps <n>", "denoising steps (default: 50; embedded: 20)", wholeNumber("--steps", { min: 1 }))
    .option("--guidance <x>", "guidance scale; off at 1 (default: 7.5; embedded: 5)", number("--guidance", { min: 0 }))
    .option("--guidance-rescale <x>", "0 to 1, against overexposure", number("--guidance-rescale", { min: 0, max: 1 }), 0)
    .option("-s, --seed <n>", "same seed, same picture (default: random)", seed("--seed"))
    .option("--size <WxH>", "pixels (default: the checkpoint's own)", size("--size"))
    .option("-c, --count <n>", "pictures, of seed, seed + 1, ...", wholeNumber("--count", { min: 1, max: MOST_PICTURES }), 1)
    .option("--scheduler <name>", "see darkroom schedulers (default: the checkpoint's)")
    .option("--clip-skip <n>", "last layers of the text encoder to skip", wholeNumber("--clip-skip", { min: 0 }))
    .addOption(new Option("--device <name>", "where to run").choices(DEVICES).default("auto"))
    .option("--variant <name>", "weight files to prefer, such as fp16", word("--variant"))
    .option("-o, --out <path>", "file.png or folder (default: named after prompt and seed)")
    .option("--grid", "also save all pictures side by side")
    .option("-f, --force", "overwrite existing files")
    .option("--json", "print one line of JSON instead of the paths")
    .option("-q, --quiet", "no progress")
    .option("--verbose", "show the stack of an error")
    .action(async (prompt: string, { json = false, quiet = false, ...options }: GenerateOptions) => {
      const request = toRequest(prompt, options);
      // Checkpoints and networks are loaded now, not for --help and wrong usage.
      const [{ makePictures }, { openProgress }] = await Promise.all([import("./make-pictures.js"), import("./progress.js")]);
      const print = (line: string) => process.stdout.write(`${line}\n`);
      const progress = await openProgress({ images: request.seeds.length, quiet });
      try {
        const made = await makePictures(request, { signal, progress, onSaved: json ? () => undefined : print });
        if (json) print(formatJson(request, made));
      } finally {
        progress.stop();
      }
    });
}

function formatJson(request: GenerateRequest, { paths, grid, size, scheduler, device, seconds }: MadePictures): string {
  return JSON.stringify({
    paths,
    grid,
    seeds: request.seeds.map(toJsonInteger),
    ...size,
    prompt: request.prompt,
    negativePrompt: request.negativePrompt,
    steps: request.steps,
    guidance: request.guidance,
    scheduler,
    model: request.model,
    device,
    seconds,
  });
}

/** A number; beyond 2^53 its digits as a string, since most readers of JSON would round it. */
function toJsonInteger(value: bigint): number | string {
  return value <= Number.MAX_SAFE_INTEGER ? Number(value) : String(value);
}
