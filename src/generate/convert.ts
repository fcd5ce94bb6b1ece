import { expectWritable } from "#platform";
import { type SavePretrainedOptions, shardBytes } from "../checkpoint/saving.js";
import type { DownloadProgress } from "../checkpoint/source.js";
import { ArgumentError } from "../errors.js";
import { withArticle } from "../given.js";
import { expectThere, findSource } from "../hub/find-source.js";
import { openCheckpoint } from "../hub/open-checkpoint.js";
import { DiffusionPipeline } from "../pipelines/diffusion-pipeline.js";
import { loneNetwork, openLoneNetwork } from "./convert-network.js";
import { loadLoras, type SourcedLoras } from "./load-loras.js";
import { openVae } from "./open-vae.js";

/** What is converted. */
export interface ConvertRequest extends SavePretrainedOptions {
  /** A single file, a folder or a hub id. */
  readonly model: string;
  /** The folder to write; new or empty, unless `overwrite` is set. */
  readonly folder: string;
  /** LoRAs that become a part of the weights. */
  readonly loras?: SourcedLoras | undefined;
  /** Weight files to read, such as "fp16". `variant` is about those that are written. */
  readonly fromVariant?: string | undefined;
  /** An autoencoder in place of the checkpoint's. */
  readonly vae?: string | undefined;
  /** Configs for a single file: a folder or hub id. */
  readonly config?: string | undefined;
  readonly revision?: string | undefined;
  readonly cacheDir?: string | undefined;
  readonly localFilesOnly?: boolean | undefined;
  readonly onDownload?: ((progress: DownloadProgress, source: string) => void) | undefined;
}

/**
 * Writes a checkpoint, or a network alone, as a folder in diffusers' layout, whole or not at all.
 * @throws ArgumentError, CheckpointError, ConfigError, HubError, OutputError; the signal's reason
 */
export async function convertCheckpoint(request: ConvertRequest): Promise<void> {
  const {
    model,
    folder,
    loras = [],
    vae: vaeSource,
    fromVariant,
    config,
    revision,
    onDownload,
    cacheDir,
    localFilesOnly,
    ...saving
  } = request;
  shardBytes(saving.maxShardSize);
  // Before downloads, which can take hours.
  await expectWritable(folder, { overwrite: saving.overwrite ?? false });
  const { signal } = saving;
  const from = (source: string) => ({
    ...{ cacheDir, localFilesOnly, signal },
    ...(onDownload && { onProgress: (progress: DownloadProgress) => onDownload(progress, source) }),
  });
  const source = await expectThere(await findSource(model));
  const alone = await loneNetwork(source, { ...from(model), config, revision, variant: fromVariant });
  if (alone) {
    refuseAdditions(model, alone.className, { loras, vae: vaeSource });
    await using network = await openLoneNetwork(alone, fromVariant);
    return network.savePretrained(folder, { ...saving, overwrite: saving.overwrite ?? false });
  }
  const parts: AsyncDisposable[] = [];
  try {
    const vae =
      vaeSource === undefined
        ? undefined
        : await openVae(await openCheckpoint(vaeSource, { ...from(vaeSource), wanted: { kind: "network", network: "vae" } }), {
            device: "cpu",
            variant: fromVariant,
          });
    if (vae) parts.push(vae);
    const pipe = await DiffusionPipeline.fromPretrained(model, {
      ...from(model),
      ...{ device: "cpu", variant: fromVariant, config, revision },
      ...(vae && { vae }),
    });
    parts.unshift(pipe);
    if (loras.length > 0) {
      if (!("loadLoraWeights" in pipe)) {
        throw new ArgumentError((name) => `${model} has no network that ${name("loras")} can change`, { argument: "loras" });
      }
      await loadLoras(pipe, loras, from);
      pipe.fuseLora();
    }
    await pipe.savePretrained(folder, { ...saving, overwrite: saving.overwrite ?? false });
  } finally {
    for (const part of parts) await part[Symbol.asyncDispose]();
  }
}

/** @throws ArgumentError for what only a whole checkpoint has a place for. */
function refuseAdditions(
  model: string,
  className: string,
  { loras, vae }: Required<Pick<ConvertRequest, "loras">> & Pick<ConvertRequest, "vae">,
): void {
  const given = vae !== undefined ? "vae" : loras && loras.length > 0 ? "loras" : undefined;
  if (given === undefined) return;
  throw new ArgumentError((name) => `${name(given)} was given; ${model} is ${withArticle(className)} alone`, {
    argument: given,
    hint: (name) => `leave ${name(given)} out, or give a whole checkpoint`,
  });
}
