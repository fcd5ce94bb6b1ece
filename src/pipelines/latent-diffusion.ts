import type { PromptedDefaults } from "../families/family.js";
import type { AttentionSlice } from "../graph/graph.js";
import type { LoraWeight } from "../lora/adapter-weight.js";
import type { Autoencoder } from "../models/autoencoder.js";
import type { MemorySaving } from "../models/tiling.js";
import { type Fields, field, hasMethods, instanceOf, orNull } from "../options/fields.js";
import type { Folder } from "../platform/folder.js";
import type { Turn } from "../runtime/call-queue.js";
import { Scheduler, type StepOptions } from "../schedulers/shared/scheduler.js";
import type { Tensor } from "../tensor/tensor.js";
import { warn } from "../warnings.js";
import {
  type FuseLoraOptions,
  type LoadedLora,
  type LoadLoraOptions,
  LoraAdapters,
  type LoraComponent,
  type LoraNetworks,
} from "./adapters/lora-adapters.js";
import { type SaveLoraOptions, saveLora } from "./adapters/save-lora.js";
import { type TextualInversionOptions, type TextualInversionSource, TextualInversions } from "./adapters/textual-inversions.js";
import { DiffusionPipeline } from "./diffusion-pipeline.js";
import type { GuidanceOptions, LatentDiffusionRequest } from "./latent-diffusion-request.js";
import { type PromptInput, promptCount } from "./prompt/prompt-options.js";
import { embedsOf, type TextEncoders } from "./prompt/text-encoders.js";
import { expectSize, resolveGenerators, type Size, type SizeOptions, seedsOf } from "./shared/arguments.js";
import type { Call, Denoised } from "./shared/call.js";
import { type ComponentSource, part } from "./shared/components.js";
import { denoisingLoop, type LoopOptions, toUnitRange, withPreviews } from "./shared/denoising-loop.js";
import { warnOfStrongGuidance } from "./shared/guidance.js";
import { unscaleLatents } from "./shared/latents.js";
import { expectVae, LATENTS_ALONE, latentsOf } from "./shared/missing-parts.js";
import { type OutputType, outputOf, type PipelineOutput } from "./shared/output.js";
import { type DenoisingStep, finish, type PipelineRun } from "./shared/pipeline-run.js";
import { expectStepCache } from "./shared/step-cache.js";
import { refuseShares, requestedTimesteps } from "./shared/timesteps.js";

/** The parts of every latent diffusion pipeline, beside its network. */
export interface LatentDiffusionComponents {
  /** Decodes latents to pictures and encodes pictures; null if calls take and return latents only. */
  readonly vae: Autoencoder | null;
  /** Chooses the noise levels and computes the steps. */
  readonly scheduler: Scheduler;
}

export const LATENT_DIFFUSION_PARTS: Fields<LatentDiffusionComponents> = {
  vae: part(orNull(field<Autoencoder>((value) => hasMethods(value, "encode", "decode"), "an AutoencoderKL or AutoencoderTiny"))),
  scheduler: part(instanceOf(Scheduler)),
};

const EXAMPLE = '{ prompt: "a red fox" }';

/** A pipeline's part of the options of its loop. */
export interface LatentLoopOptions
  extends Pick<LoopOptions, "latents" | "predict" | "afterStep" | "endsWithPrediction">,
    Pick<Denoised, "unpack"> {
  readonly timesteps?: readonly number[];
}

/**
 * What latent diffusion pipelines have in common: checks of requests, the denoising loop, decoding, LoRAs and embeddings.
 * Calls run in the order they are made: see {@link DiffusionPipeline.queue}. Every call works on a copy of the scheduler.
 */
export abstract class LatentDiffusionPipeline<Request extends LatentDiffusionRequest> extends DiffusionPipeline {
  /** Decodes latents to pictures. Null at run time if the pipeline was opened without it. */
  vae: Autoencoder;
  /** The values of options that a request leaves out. */
  protected abstract readonly defaults: PromptedDefaults;

  constructor({ vae, scheduler }: LatentDiffusionComponents, source?: ComponentSource) {
    super(scheduler, source);
    this.vae = vae as Autoencoder;
  }

  /** Pixels per latent, along each side: the VAE's, or 8 without one, as in diffusers. */
  get vaeScaleFactor(): number {
    return latentsOf(this.vae).scaleFactor;
  }

  /** Fields of the request's options. */
  protected abstract readonly fields: Fields<object>;

  /** Encodes the prompts. */
  protected abstract get textEncoders(): TextEncoders;

  /** The networks that LoRAs can change. */
  protected get loraNetworks(): LoraNetworks {
    return new Map();
  }

  /** The embeddings of the text encoders; none can be loaded if no text encoder takes any. */
  protected get embeddings(): TextualInversions {
    return new TextualInversions([]);
  }

  private get loras(): LoraAdapters {
    return new LoraAdapters(this.loraNetworks, this.embeddings);
  }

  private get vaeMemory(): MemorySaving {
    return expectVae(this.vae).memory;
  }

  /**
   * Makes pictures, all pictures of a call at once.
   * @throws ArgumentError for a wrong request; the signal's reason if it was aborted; DeviceError
   */
  generate<Output extends OutputType = "image">(
    request: Request & { readonly outputType?: Output | undefined },
  ): Promise<PipelineOutput<Output>> {
    return finish(this.steps(request));
  }

  /**
   * As `generate`, step by step, with progress and previews: `for await (const step of pipe.steps(request))`. `break` cancels the run.
   * The run's `result` has the pictures. Other calls wait until the run ends, or until its loop has requested no step for one second.
   */
  steps<Output extends OutputType = "image">(
    request: Request & { readonly outputType?: Output | undefined },
  ): PipelineRun<PipelineOutput<Output>> {
    return this.start((turn) => this.run<Output>(request, turn));
  }

  /**
   * Loads a LoRA (Hu et al. 2021) or a related adapter: LoCon, DoRA, LoHa, LoKr, GLoRA, (IA)^3, full differences or trained norms, in the
   * formats of kohya-ss, LyCORIS, OneTrainer, ComfyUI, diffusers and PEFT. The source is a `.safetensors` file, a folder with one, or a hub
   * id (`owner/name`).
   *
   * The adapter becomes the only active one of the networks it changes, as in diffusers; `setAdapters` activates several. Its matrices are
   * read from the file when needed: do not delete the file. Embeddings inside the file (`bundle_emb.<word>`) are loaded, too; the word
   * works in prompts until the adapter is deleted. Tensors that cannot be applied are left out with a warning.
   *
   * The checkpoint does not change. Changing an adapter's weight costs nothing; loading or activating other adapters reloads the networks
   * at their next run. A plain LoRA is computed beside the layers; other methods change the layers' weights in every step, which takes
   * time. `fuseLora` changes the weights once: steps then take no extra time, but the changed weights need memory. Adapters belong to the
   * networks: pipelines that share networks share their adapters.
   * @throws CheckpointError if the file is not a LoRA, has nothing that can be applied, or is for another family of checkpoints;
   * ArgumentError if the name is taken; HubError
   */
  loadLoraWeights(source: string | Folder, options: LoadLoraOptions = {}): Promise<LoadedLora> {
    return this.loras.load(source, options);
  }

  /**
   * Saves a LoRA into a file of `folder`, in PEFT's layout with its config, as diffusers' `save_lora_weights` does. `loadLoraWeights` and
   * diffusers open it. The matrices are copied; the weight that `setAdapters` set is not saved.
   * @throws ArgumentError if there is no such adapter, several and none is named, or one of another method than plain LoRA; OutputError if
   * it cannot be written, or would replace the file that it is read from.
   */
  async saveLoraWeights(folder: string, options: SaveLoraOptions = {}): Promise<void> {
    await saveLora(folder, this.loraNetworks, options);
  }

  /**
   * Makes these adapters the active ones, each with its weight (1 by default): a number, or one for every network and, of the UNet, every
   * block. A single weight applies to all adapters. Takes effect at the next step; fused adapters do not change.
   * @throws ArgumentError for a name that no adapter has, another number of weights than names, or a wrong weight.
   */
  setAdapters(names: string | readonly string[], weights: LoraWeight | readonly (LoraWeight | undefined)[] = 1): void {
    this.loras.activate(names, weights);
  }

  /** Names of the active adapters. */
  getActiveAdapters(): string[] {
    return this.loras.activeNames;
  }

  /** Names of the adapters of every network that has any. */
  getListAdapters(): Partial<Record<LoraComponent, string[]>> {
    return this.loras.namesByComponent;
  }

  /**
   * Removes adapters. If a network has no active one left, the first of its others becomes active, as in diffusers. (There every layer
   * chooses for itself, so that several adapters may be active in parts.) Fused adapters stay fused.
   * @throws ArgumentError for a name that no adapter has.
   */
  deleteAdapters(names: string | readonly string[]): void {
    this.loras.delete(names);
  }

  /**
   * Adds adapters to the weights themselves, once, when the networks load again at their next run: steps then take no extra time. The
   * changed weights stay in memory, as float32; the checkpoint's files do not change. As in PEFT, a layer with a fused adapter is computed
   * without the other adapters until `unfuseLora` or until the fused adapter is unloaded (a warning says so), and `loraScale` applies to
   * active adapters only.
   * @throws ArgumentError for a name that no adapter has, or a network that the pipeline does not have.
   */
  fuseLora(options: FuseLoraOptions = {}): void {
    this.loras.fuse(options);
  }

  /**
   * Removes fused adapters from the weights. Adapters have the weights they had before `fuseLora`; in diffusers they keep its `loraScale`.
   */
  unfuseLora(options: Pick<FuseLoraOptions, "components"> = {}): void {
    this.loras.unfuse(options);
  }

  /** Removes all adapters. Fused adapters stay fused. */
  unloadLoraWeights(): void {
    this.loras.deleteAll();
  }

  /** Turns adapters off until `enableLora`: the networks compute with the checkpoint's weights alone. */
  disableLora(): void {
    this.loras.setEnabled(false);
  }

  /** Turns the active adapters on again. */
  enableLora(): void {
    this.loras.setEnabled(true);
  }

  /** Names of the adapters that are fused into weights. */
  get fusedLoras(): readonly string[] {
    return this.loras.fusedNames;
  }

  /**
   * Loads an embedding (textual inversion, Gal et al. 2022), or several: `.safetensors` files, folders or hub ids with one, as diffusers,
   * AUTOMATIC1111's web UI or kohya-ss write them. Returns the tokens that stand for them in prompts and negative prompts; an
   * embedding of n vectors takes the place of n words. The vectors are read from the files when needed: do not delete the files.
   *
   * An embedding belongs to the tokenizers and text encoders it was loaded into. Pipelines that share both share it, whichever of them
   * loads or unloads it. A pipeline that shares the tokenizer but not the text encoder refuses prompts with the token.
   * @throws CheckpointError for a file that is no embedding or one of another family; ArgumentError for a token that is taken; HubError.
   * Then nothing was loaded.
   */
  async loadTextualInversion(
    source: TextualInversionSource | readonly TextualInversionSource[],
    options: TextualInversionOptions = {},
  ): Promise<readonly string[]> {
    return this.embeddings.load(source, options);
  }

  /**
   * Removes embeddings; all of them if no tokens are named. @throws ArgumentError for a token that was not loaded; then none is removed.
   */
  unloadTextualInversion(tokens?: string | readonly string[]): void {
    this.embeddings.unload(tokens);
  }

  /**
   * Computes the denoising network's attention in several parts: slower, in less memory. "auto" makes two parts, "max" one part for each
   * head; a number is the number of heads in a part.
   */
  enableAttentionSlicing(slice: AttentionSlice = "auto"): void {
    this.denoiser.setAttentionSlice(slice);
  }

  /** Computes attention all at once again. */
  disableAttentionSlicing(): void {
    this.denoiser.setAttentionSlice(undefined);
  }

  /** Decodes and encodes the pictures of a batch one after another: the pictures are the same, in the memory of one. */
  enableVaeSlicing(): void {
    this.vaeMemory.slicing = true;
  }

  /** Decodes and encodes all pictures of a batch at once again. */
  disableVaeSlicing(): void {
    this.vaeMemory.slicing = false;
  }

  /**
   * Decodes and encodes large pictures in overlapping tiles of the size that the autoencoder was trained on: far less memory, faint seams.
   */
  enableVaeTiling(): void {
    this.vaeMemory.tiling = true;
  }

  /** Decodes and encodes whole pictures again. */
  disableVaeTiling(): void {
    this.vaeMemory.tiling = false;
  }

  /** Does nothing but warn, for programs written for diffusers: attention is one fused operation already. */
  enableXformersMemoryEfficientAttention(): void {
    warn("attention is fused already; enableXformersMemoryEfficientAttention changes nothing");
  }

  /** The pipeline's own part: from the request to denoised latents. */
  protected abstract denoise(call: Call<Request>): AsyncGenerator<DenoisingStep, Denoised, void>;

  private async *run<Output extends OutputType>(request: Request, turn: Turn): AsyncGenerator<DenoisingStep, PipelineOutput<Output>, void> {
    const call = this.begin(this.check<Request>("generate", request, this.fields, EXAMPLE));
    const { outputType, signal, generator } = call;
    await turn.take(signal);
    const { latents, unpack = asTheyAre, retouch } = yield* this.denoise(call);
    const decoded = async () => this.checkSafety(await this.decode(unpack(latents)));
    const { images, nsfwContentDetected } = outputType === "latent" ? { images: latents } : await decoded();
    signal?.throwIfAborted();
    return {
      images: outputOf<Output>(images, outputType, retouch),
      seeds: seedsOf(generator),
      ...(nsfwContentDetected && { nsfwContentDetected }),
    };
  }

  /** Shows float pictures [batch, 3, height, width] in 0..1 to a safety checker, if there is one. */
  protected async checkSafety(images: Tensor): Promise<{ images: Tensor; nsfwContentDetected?: readonly boolean[] }> {
    return { images };
  }

  /** Features of the prompts, for a request in place of the prompts. */
  protected async embed<Embeds extends object>(
    options: PromptInput & GuidanceOptions,
    fields: Fields<PromptInput & GuidanceOptions>,
  ): Promise<Embeds> {
    const checked = this.check<typeof options>("encodePrompt", options, fields, EXAMPLE);
    const { doClassifierFreeGuidance: isGuided = this.isGuided(this.guidanceScaleOf(checked), checked) } = checked;
    const encoded = await this.textEncoders.encode(checked, { isGuided });
    return embedsOf(encoded.at(1)) as Embeds;
  }

  /** The denoising loop over a network's guided predictions, with previews. `timesteps` are the scheduler's by default. */
  protected async *loop(
    { scheduler, generator, stepOptions, signal }: Call<Request>,
    { unpack = asTheyAre, ...options }: LatentLoopOptions,
  ): AsyncGenerator<DenoisingStep, Denoised, void> {
    const loop = denoisingLoop({
      timesteps: scheduler.timesteps,
      ...options,
      scheduler,
      stepOptions: { generator, ...stepOptions },
      signal,
    });
    try {
      return { latents: yield* withPreviews(loop, (latents) => this.decode(unpack(latents))), unpack };
    } finally {
      await this.denoiser.rest();
    }
  }

  /** Float pictures [batch, 3, height, width] in 0..1 of latents. */
  private async decode(latents: Tensor): Promise<Tensor> {
    const vae = expectVae(this.vae, LATENTS_ALONE);
    const { sample } = await vae.decode(unscaleLatents(latents, vae.config));
    return toUnitRange(sample);
  }

  /** Both sides of pictures are multiples of this many pixels. */
  protected get sizeMultiple(): number {
    return this.vaeScaleFactor;
  }

  /**
   * The requested size, or the one the network was trained on. @throws ArgumentError unless both sides are multiples of
   * {@link sizeMultiple}.
   */
  protected size({ height, width }: SizeOptions): Size {
    const factor = this.vaeScaleFactor;
    const [nativeHeight, nativeWidth] = this.denoiser.sampleSize;
    const size = { height: height ?? nativeHeight * factor, width: width ?? nativeWidth * factor };
    expectSize(size.width, size.height, this.sizeMultiple);
    return size;
  }

  private begin(request: Request): Call<Request> {
    const { outputType = "image", numImagesPerPrompt = 1 } = request;
    const guidanceScale = this.guidanceScaleOf(request);
    const stepOptions = this.stepOptions(request);
    if (this.scheduler.isAdaptive) refuseShares(this.scheduler, request);
    warnOfStrongGuidance(this.scheduler, guidanceScale);
    if (request.cache) expectStepCache(request.cache, this.denoiser);
    if (outputType !== "latent") expectVae(this.vae, LATENTS_ALONE);
    const batch = promptCount(request) * numImagesPerPrompt;
    return {
      request,
      batch,
      generator: resolveGenerators(request, batch),
      scheduler: this.scheduler.clone(),
      guidanceScale,
      isGuided: this.isGuided(guidanceScale, request),
      ...requestedTimesteps(request, this.defaults.steps),
      stepOptions,
      outputType,
      signal: request.signal,
    };
  }

  /** Options of the scheduler's steps besides the generator. @throws ArgumentError for wrong values. */
  protected stepOptions(_request: Request): StepOptions {
    return {};
  }

  /** Whether the network predicts every picture twice, with the prompt and with the negative prompt. */
  protected isGuided(guidanceScale: number, _prompts: PromptInput): boolean {
    return guidanceScale > 1 || this.scheduler.needsUnconditional;
  }

  /** The scale of classifier-free guidance. A network that takes its `guidanceScale` as an input may have another option for it. */
  protected guidanceScaleOf({ guidanceScale = this.defaults.guidance }: GuidanceOptions): number {
    return guidanceScale;
  }
}

function asTheyAre(latents: Tensor): Tensor {
  return latents;
}
