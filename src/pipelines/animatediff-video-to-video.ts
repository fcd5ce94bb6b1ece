import type { ModelIndex } from "../checkpoint/model-index.js";
import { ArgumentError } from "../errors.js";
import { STABLE_DIFFUSION_1 } from "../families/stable-diffusion-1.js";
import { type ImageSource, isImageSource } from "../image/load-image.js";
import { type Fields, field, isListOf, real, whole } from "../options/fields.js";
import { randnPerImage } from "../tensor/random.js";
import { concat, Tensor } from "../tensor/tensor.js";
import {
  ANIMATEDIFF_FIELDS,
  ANIMATEDIFF_PARTS,
  AnimateDiffBase,
  type AnimateDiffCommonOptions,
  type AnimateDiffComponents,
  loadAnimateDiff,
} from "./animatediff-base.js";
import { NOISE_FIELDS } from "./latent-diffusion-request.js";
import type { Prompted } from "./prompt/prompt-options.js";
import { SIZE_FIELDS, type SizeOptions } from "./shared/arguments.js";
import type { Call, Denoised } from "./shared/call.js";
import type { ComponentSource } from "./shared/components.js";
import { loopTurns } from "./shared/control.js";
import { readImages } from "./shared/image-inputs.js";
import { encodeImages, type Generators, sizeOfImages } from "./shared/latents.js";
import type { DenoisingStep } from "./shared/pipeline-run.js";
import { planRange } from "./shared/timesteps.js";

/**
 * The frames of a video, or a list with those of a video for each prompt; or a tensor [videos, frames, 3, height, width] with values in
 * 0..1.
 */
export type VideoInput = readonly ImageSource[] | readonly (readonly ImageSource[])[] | Tensor;

/** The options of a call that makes videos from videos. */
export interface AnimateDiffVideoToVideoOptions extends AnimateDiffCommonOptions, SizeOptions {
  /** The video to start from, with as many frames as the result. Motion modules take 32 at most (version 1: 24). */
  readonly video: VideoInput;
  /** How much of the video is replaced, 0..1: 0.8 by default. That share of the steps is computed. */
  readonly strength?: number | undefined;
  /** Frames that the VAE encodes at once, and decodes: 16 and 1 by default. Another number encodes with other draws, as in diffusers. */
  readonly decodeChunkSize?: number | undefined;
  /** Latents with noise to start from, in place of the video's [videos, channels, frames, height / factor, width / factor]. */
  readonly latents?: Tensor | undefined;
}

const frames = (value: unknown) => isListOf(value, isImageSource);

const FIELDS: Fields<AnimateDiffVideoToVideoOptions> = {
  ...ANIMATEDIFF_FIELDS,
  ...SIZE_FIELDS,
  ...NOISE_FIELDS,
  video: {
    ...field<VideoInput>(
      (value) => (value instanceof Tensor && value.shape.length === 5) || frames(value) || isListOf(value, frames),
      "a list of frames, a list of such lists, or a Tensor [videos, frames, 3, height, width]",
    ),
    needed: "video is the video to start from",
  },
  strength: real(0, 1),
  decodeChunkSize: whole(1),
};

/** The request of a call of {@link AnimateDiffVideoToVideoPipeline}: its options, with a prompt or embeddings for each video. */
export type AnimateDiffVideoToVideoRequest = Prompted<AnimateDiffVideoToVideoOptions>;

/** Frames that are encoded at once, as in diffusers: each chunk is drawn from the autoencoder's distribution alone. */
const ENCODED_AT_ONCE = 16;

/**
 * Makes short videos from videos and texts, with a checkpoint of Stable Diffusion 1 and a motion adapter (Guo et al. 2023). Matches
 * diffusers' AnimateDiffVideoToVideoPipeline.
 */
export class AnimateDiffVideoToVideoPipeline extends AnimateDiffBase<AnimateDiffVideoToVideoRequest> {
  /** The class's name in diffusers. */
  static override readonly className = "AnimateDiffVideoToVideoPipeline";
  /** @internal Fields of the parts. */
  static readonly parts = ANIMATEDIFF_PARTS;
  /** The class's name in diffusers; it discriminates unions of pipelines. */
  readonly className = AnimateDiffVideoToVideoPipeline.className;
  protected readonly fields = FIELDS;
  protected readonly defaults = STABLE_DIFFUSION_1.workflows["motion-image"].defaults;

  /** Loads the parts that are not in `given`. Call `fromPretrained` instead. */
  static async open(
    source: ComponentSource,
    _index: ModelIndex,
    given: Partial<AnimateDiffComponents>,
  ): Promise<AnimateDiffVideoToVideoPipeline> {
    return new AnimateDiffVideoToVideoPipeline(await loadAnimateDiff(source, given), source);
  }

  protected async *denoise(call: Call<AnimateDiffVideoToVideoRequest>): AsyncGenerator<DenoisingStep, Denoised, void> {
    const { request, scheduler, generator } = call;
    const videos = await this.readVideos(call);
    const timesteps = planRange({ ...call, request: {} }, request.strength ?? this.defaults.strength);
    const conditioning = await this.conditioning(call, { size: sizeOfImages(this.vae, videos[0] as Tensor), timesteps });
    const encode = async () => {
      const clean = await this.encode(videos, generator, request.decodeChunkSize);
      // The noise is drawn frame by frame, and then the frames follow the channels.
      const noise = randnPerImage(clean.shape, generator);
      return channelsFirst(scheduler.addNoise(clean, noise, [timesteps[0] ?? 0]));
    };
    const latents = this.given(call, videos) ?? (await encode());
    const turns = loopTurns(scheduler, timesteps, timesteps);
    const predict = this.predictor(call, conditioning, { control: undefined, turns });
    const denoised = yield* this.loop(call, { latents, timesteps, predict, steerable: [conditioning] });
    return { ...denoised, decodedAtOnce: request.decodeChunkSize ?? 1 };
  }

  /** Each video's frames [frames, 3, height, width] in -1..1. @throws ArgumentError unless there is one for each prompt */
  private async readVideos({ request, batch }: Call<AnimateDiffVideoToVideoRequest>): Promise<readonly Tensor[]> {
    const { video } = request;
    const given =
      video instanceof Tensor ? video.chunk(video.shape[0] ?? 1).map((each) => each.reshape(each.shape.slice(1))) : listOf(video);
    if (given.length !== batch) {
      throw new ArgumentError(`${given.length} videos were given for ${batch} prompts; expected one for each`, {
        argument: "video",
        hint: "several videos are a list of lists of frames",
      });
    }
    const read = await Promise.all(given.map((each) => readImages(each, this.vae, request)));
    const other = read.findIndex(({ shape }) => String(shape) !== String(read[0]?.shape));
    if (other === -1) return read;
    throw new ArgumentError(
      `video ${other} has [frames, channels, height, width] [${read[other]?.shape}], and video 0 [${read[0]?.shape}]`,
      {
        argument: "video",
        hint: "give videos of one length, and a width and a height",
      },
    );
  }

  /** The latents of a request. @throws ArgumentError unless they have the video's frames and size */
  private given({ request: { latents }, batch }: Call<AnimateDiffVideoToVideoRequest>, [video]: readonly Tensor[]): Tensor | undefined {
    if (!latents || !video) return latents;
    const { height, width } = sizeOfImages(this.vae, video);
    const sides = [height, width].map((side) => side / this.vaeScaleFactor);
    const expected = [batch, this.unet.config.inChannels, video.shape[0], ...sides];
    if (String(latents.shape) === String(expected)) return latents;
    throw new ArgumentError(`latents are [${latents.shape}]; expected [${expected}]`, { argument: "latents" });
  }

  /** Latents [videos, frames, channels, height / factor, width / factor]. */
  private async encode(videos: readonly Tensor[], generator: Generators, chunk = ENCODED_AT_ONCE): Promise<Tensor> {
    const encoded: Tensor[] = [];
    for (const [i, video] of videos.entries()) {
      const own = Array.isArray(generator) ? (generator[i] as Generators) : generator;
      const [count = 0] = video.shape;
      const chunks: Tensor[] = [];
      for (let first = 0; first < count; first += chunk) {
        chunks.push(await encodeImages(this.vae, video.slice(first, Math.min(first + chunk, count)), own));
      }
      encoded.push(concat(chunks).unsqueeze(0));
    }
    return concat(encoded);
  }
}

function listOf(video: Exclude<VideoInput, Tensor>): readonly (readonly ImageSource[])[] {
  return frames(video) ? [video as readonly ImageSource[]] : (video as readonly (readonly ImageSource[])[]);
}

/** [videos, frames, channels, height, width] as [videos, channels, frames, height, width]. */
function channelsFirst(latents: Tensor): Tensor {
  const [videos = 0, count = 0, channels = 0, height = 0, width = 0] = latents.shape;
  const plane = height * width;
  const data = new Float32Array(latents.size);
  for (let video = 0; video < videos; video++) {
    for (let frame = 0; frame < count; frame++) {
      for (let channel = 0; channel < channels; channel++) {
        const from = ((video * count + frame) * channels + channel) * plane;
        data.set(latents.data.subarray(from, from + plane), ((video * channels + channel) * count + frame) * plane);
      }
    }
  }
  return Tensor.from(data, [videos, channels, count, height, width]);
}
