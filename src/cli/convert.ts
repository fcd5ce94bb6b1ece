import { type Command, Option } from "commander";
import type { SaveProgress } from "../checkpoint/saving.js";
import { loraOption } from "./adapter-options.js";
import { repeated } from "./values.js";

const DTYPES = { fp16: "float16", bf16: "bfloat16", fp32: "float32" } as const;

interface ConvertOptions {
  readonly lora?: readonly ReturnType<typeof loraOption>[];
  readonly vae?: string;
  readonly dtype?: keyof typeof DTYPES;
  readonly variant?: string;
  readonly fromVariant?: string;
  readonly force?: true;
  readonly maxShardSize?: string;
  readonly config?: string;
  readonly revision?: string;
  readonly cacheDir?: string;
  readonly offline?: true;
  readonly quiet?: true;
}

/** Parts of the progress that get a line. */
const LINES = 10;

/** `darkroom convert` writes a checkpoint as a folder in diffusers' layout. */
export function addConvert(program: Command, signal: AbortSignal): void {
  program
    .command("convert")
    .description("write a checkpoint or network in diffusers' layout")
    .argument("<model>", "a .safetensors file, a folder or a hub id")
    .argument("<folder>", "folder to write, new or empty")
    .option("-f, --force", "write into a folder with files, and replace those of the same names")
    .option("--lora <path>", "LoRA to add to the weights: file, folder or hub id[:WEIGHT]; repeatable", repeated(loraOption))
    .option("--vae <path>", "autoencoder to use instead of the checkpoint's")
    .addOption(new Option("--dtype <type>", "convert the weights (default: as they are)").choices(Object.keys(DTYPES)))
    .option("--variant <name>", "add it to the names of the written weight files, such as fp16")
    .option("--from-variant <name>", "weight files to read, such as fp16")
    .option("--max-shard-size <size>", "most bytes of a weight file, such as 2GB (default: 10GB)")
    .option("--config <folder>", "configs for a single file with unusual networks")
    .option("--revision <name>", "branch, tag or commit of a hub id (default: main)")
    .option("--cache-dir <dir>", "instead of ~/.cache/huggingface/hub (HF_HUB_CACHE)")
    .option("--offline", "use the cache only, never the network")
    .option("-q, --quiet", "no progress")
    .option("--verbose", "show the stack of an error")
    .action(async (model: string, folder: string, options: ConvertOptions) => {
      const { lora, dtype, offline, quiet = false, ...others } = options;
      const [{ convertCheckpoint }, { openProgress }, { DownloadNotes }, { formatPart }] = await Promise.all([
        import("../generate/convert.js"),
        import("./progress.js"),
        import("./download-notes.js"),
        import("./bytes.js"),
      ]);
      const { vae, variant, fromVariant, force, maxShardSize, config, revision, cacheDir } = others;
      const progress = await openProgress({ images: 1, quiet });
      let shown = 0;
      try {
        await convertCheckpoint({
          ...{ model, folder, loras: lora, vae, variant, fromVariant, maxShardSize, config, revision, cacheDir, signal },
          overwrite: force ?? false,
          dtype: dtype && DTYPES[dtype],
          localFilesOnly: offline,
          onDownload: new DownloadNotes(progress).show,
          onProgress: ({ written, total }: SaveProgress) => {
            const tenths = Math.floor((written / total) * LINES);
            if (tenths > shown) progress.note(`${tenths * LINES}%  ${formatPart(written, total)}`);
            shown = Math.max(shown, tenths);
          },
        });
      } finally {
        progress.stop();
      }
      process.stdout.write(`${folder}\n`);
    });
}
