import { readFileSync } from "node:fs";
import { type Command, Option } from "commander";
import { ArgumentError } from "../errors.js";
import { messageOf } from "../message-of.js";
import { real, whole } from "../options/fields.js";
import { withoutControls } from "../printable.js";
import { DEVICES, type Device, type Quantisation } from "../runtime/device.js";
import { parseBytes } from "./bytes.js";
import type { LimitName, Offer, RunOptions, ServerModule } from "./server-module.js";
import { number, quantizeOption, repeated, wholeNumber, wrongValue } from "./values.js";

/** The options that `serve` and `worker` share. */
export interface SharedOptions {
  readonly queue?: string;
  readonly folder?: string;
  readonly bucket?: string;
  readonly bucketEndpoint?: string;
  readonly grace: number;
  readonly model?: readonly string[];
  readonly vae?: readonly string[];
  readonly controlnet?: readonly string[];
  readonly upscaler?: readonly string[];
  readonly loraDir?: readonly string[];
  readonly embeddingDir?: readonly string[];
  readonly cacheDir?: string;
  readonly offline?: boolean;
  readonly device: Device;
  readonly fast?: boolean;
  readonly quantize?: Quantisation;
  readonly lowMemory?: boolean;
  readonly variant?: string;
  readonly slots: number;
  readonly threads?: number;
  readonly memoryBudget?: number;
  readonly verbose?: boolean;
}

/** The options about requests. */
export interface RequestOptions extends Partial<Readonly<Record<LimitName, number>>> {
  readonly maxWaiting?: number;
  readonly keepJobs?: number;
  readonly keepDays?: number;
}

const asIs = repeated((text) => text);

/** What requests can name. */
export function addModelOptions(command: Command): void {
  command
    .option("-m, --model <[name=]path>", "folder, .safetensors file or hub id; repeatable (default: embedded)", asIs)
    .option("--vae <[name=]path>", "autoencoder that requests can name; repeatable", asIs)
    .option("--controlnet <[name=]path>", "ControlNet that requests can name; repeatable", asIs)
    .option("--upscaler <[name=]path>", "ESRGAN upscaler that requests can name; repeatable", asIs)
    .option("--lora-dir <dir>", "folder of LoRAs, for <lora:name:0.8>; repeatable", asIs)
    .option("--embedding-dir <dir>", "folder of embeddings; repeatable", asIs)
    .option("--cache-dir <dir>", "of hub downloads (default: HF_HUB_CACHE)")
    .option("--offline", "use downloaded models only");
}

/** Where the queue and the pictures are. */
export function addStorageOptions(command: Command, defaultFolder: string): void {
  command
    .addOption(new Option("--queue <url>", "redis://HOST:6379, shared by servers and workers").env("DARKROOM_QUEUE"))
    .addOption(
      new Option("--bucket <url>", "s3://BUCKET/PREFIX for pictures (key in AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY)").env(
        "DARKROOM_BUCKET",
      ),
    )
    .option("--bucket-endpoint <url>", "of another S3 service than Amazon's (AWS_ENDPOINT_URL)")
    .option("--folder <dir>", `for ${defaultFolder}`);
}

/** How models run. @param least fewest slots */
export function addRunOptions(command: Command, least: number): void {
  command
    .option("--slots <n>", "jobs at a time, each in a process", wholeNumber("slots", whole(least)), 1)
    .option("--threads <n>", "of each process (default: the cores, shared by slots)", wholeNumber("threads", whole(1)))
    .option("--grace <s>", "seconds for running jobs to end when it is stopped", number("grace", real(0)), 20)
    .addOption(new Option("--device <name>", "where to run").choices(DEVICES).default("auto"))
    .option("--fast", "8 bits (WebGPU: 16): faster, not quite the same picture")
    .addOption(quantizeOption())
    .option("--low-memory", "less memory, more time; the same picture")
    .option("--variant <name>", "weight files to prefer, such as fp16")
    .option("--memory-budget <size>", "of a process, above it models are closed: 6GB", bytes("--memory-budget"));
}

/** What requests may ask for, and what is kept. */
export function addRequestOptions(command: Command): void {
  const limit = (name: string) => wholeNumber(name, whole(1));
  command
    .option("--max-body-bytes <size>", "of a request (default: 64MiB)", bytes("--max-body-bytes"))
    .option("--max-upload-bytes <size>", "of all requests at a time (default: 512MiB)", bytes("--max-upload-bytes"))
    .option("--max-prompt-length <n>", "characters (default: 10000)", limit("maxPromptLength"))
    .option("--max-pixels <n>", "of a new picture (default: 2048 x 2048)", limit("maxPixels"))
    .option("--max-picture-pixels <n>", "of a picture sent (default: 50 million)", limit("maxPicturePixels"))
    .option("--max-steps <n>", "denoising steps (default: 1000)", limit("maxSteps"))
    .option("--max-batch <n>", "pictures of a request (default: 100)", limit("maxBatch"))
    .option("--max-event-streams <n>", "connections that read events (default: 1000)", limit("maxEventStreams"))
    .option("--max-waiting <n>", "jobs in the queue (default: 1000)", limit("maxWaiting"))
    .option("--keep-jobs <n>", "finished jobs to keep (default: 1000)", wholeNumber("keepJobs", whole(0)))
    .option("--keep-days <n>", "days to keep them (default: no end)", number("keepDays", real(0)));
}

/** @throws ArgumentError for names that two of them have */
export function offerOf({ parseNamedSources }: ServerModule, options: SharedOptions): Offer {
  const { model = [], vae = [], controlnet = [], upscaler = [], loraDir = [], embeddingDir = [] } = options;
  const { device, fast, quantize, lowMemory, variant, offline, cacheDir } = options;
  return {
    models: parseNamedSources(model, "--model"),
    vaes: parseNamedSources(vae, "--vae"),
    controlnets: parseNamedSources(controlnet, "--controlnet"),
    upscalers: parseNamedSources(upscaler, "--upscaler"),
    loraFolders: loraDir,
    embeddingFolders: embeddingDir,
    runtime: { device, precision: fast ? "fast" : undefined, quantize, lowMemory, variant, localFilesOnly: offline, cacheDir },
  };
}

/** Opens the bucket, if there is one. @throws ArgumentError */
export async function runOptionsOf(server: ServerModule, options: SharedOptions): Promise<RunOptions> {
  return {
    folder: options.folder,
    results: options.bucket === undefined ? undefined : await openBucket(server, options.bucket, options.bucketEndpoint),
    offer: offerOf(server, options),
    slots: options.slots,
    threads: options.threads,
    memoryBudget: options.memoryBudget,
    log: (text) => void process.stderr.write(text),
    onError: errorLog(options),
  };
}

/**
 * Writes errors to stderr, with their stacks if `verbose`; one that comes again and again, as while Redis is away, once a minute.
 */
function errorLog({ verbose = false }: Pick<SharedOptions, "verbose">): (error: unknown) => void {
  const written = new Map<string, number>();
  return (error) => {
    const message = messageOf(error);
    const now = performance.now();
    if (now - (written.get(message) ?? Number.NEGATIVE_INFINITY) < 60_000) return;
    if (written.size > 100) written.clear();
    written.set(message, now);
    process.stderr.write(`darkroom: ${withoutControls((verbose && error instanceof Error && error.stack) || message)}\n`);
  };
}

async function openBucket({ BucketStore, BucketError, parseBucketAddress }: ServerModule, address: string, endpoint: string | undefined) {
  try {
    return await BucketStore.open({ ...parseBucketAddress(address), endpoint });
  } catch (error) {
    if (!(error instanceof BucketError)) throw error;
    throw new ArgumentError(`--bucket: ${error.message}`, { hint: error.hint, cause: error });
  }
}

export function limitsOf(options: RequestOptions): Partial<Record<LimitName, number>> {
  const { maxBodyBytes, maxUploadBytes, maxPromptLength, maxPixels, maxPicturePixels, maxSteps, maxBatch, maxEventStreams } = options;
  const bytes = { maxBodyBytes, maxUploadBytes };
  const given = Object.entries({ ...bytes, maxPromptLength, maxPixels, maxPicturePixels, maxSteps, maxBatch, maxEventStreams });
  return Object.fromEntries(given.filter(([, value]) => value !== undefined));
}

/** The keys of options, of a file with one in each line, and of the environment. @throws ArgumentError if the file cannot be read */
export function apiKeysOf({ apiKey = [], apiKeyFile }: { readonly apiKey?: readonly string[]; readonly apiKeyFile?: string }): string[] {
  const { DARKROOM_API_KEYS = "" } = process.env;
  return [...apiKey, ...words(DARKROOM_API_KEYS), ...(apiKeyFile === undefined ? [] : readKeys(apiKeyFile))];
}

function readKeys(file: string): string[] {
  const hint = "give a file with a key in each line";
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (cause) {
    throw new ArgumentError(`--api-key-file: ${file} cannot be read: ${messageOf(cause)}`, { hint, cause });
  }
  const keys = words(text);
  // A server without keys lets everybody in.
  if (keys.length === 0) throw new ArgumentError(`--api-key-file: ${file} has no key`, { hint });
  return keys;
}

function bytes(option: string): (text: string) => number {
  return (text) => {
    const value = parseBytes(text);
    if (value >= 1) return value;
    throw wrongValue(option, text, "a number of bytes, such as 6GB or 512MB");
  };
}

function words(text: string): string[] {
  return text.split(/[\s,]+/).filter((word) => word !== "");
}
