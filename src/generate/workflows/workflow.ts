import type { Autoencoder } from "../../models/autoencoder.js";
import type { IPAdapterScale } from "../../models/ip-adapter-scales.js";
import type { SteeringOptions } from "../../pipelines/shared/steering.js";
import type { DeviceOptions, Precision, ResolvedDevice } from "../../runtime/device.js";
import type { Engine } from "../../runtime/engine.js";
import type { Scheduler } from "../../schedulers/shared/scheduler.js";
import type { Control } from "../controls.js";
import type { ImagePrompt } from "../image-prompts.js";
import type { Adaptable } from "../load-adapters.js";
import type { ImagePromptable } from "../load-ip-adapters.js";
import type { OpenFiles } from "../open-files.js";
import type { RunRequest } from "../run-request.js";
import type { Runner } from "../runner.js";
import type { Start } from "../start.js";

/** How a family of checkpoints makes pictures. */
export interface FamilyWorkflow {
  /** Loads the networks, and gives each part to `keep`. @throws CheckpointError, ConfigError, DeviceError, ArgumentError */
  open(files: OpenFiles, options: PartOptions, keep: Keep): Promise<OpenNetworks>;
}

/** Takes note of a part that is disposed of with the workflow. */
export type Keep = <Part extends AsyncDisposable>(part: Part) => Part;

/** How a checkpoint's parts are opened. */
export interface PartOptions extends DeviceOptions {
  readonly variant: string | undefined;
  /** Instead of the checkpoint's own. */
  readonly vae: Autoencoder | undefined;
}

/** Networks that are loaded. */
export interface OpenNetworks {
  /** The pipeline that takes the first steps. */
  readonly pipeline: OpenPipeline;
  /** The pipeline that LoRAs and embeddings are loaded into; none without prompts. */
  readonly adaptable?: Adaptable;
  /** The pipeline that IP-Adapters are loaded into, if its family has them. */
  readonly imagePromptable?: ImagePromptable;
  /** Makes the pictures of one job. Jobs share the networks, and nothing else. @throws ArgumentError */
  runner(job: Job): Promise<Runner>;
}

/** What is needed of every pipeline, whichever it is. */
export interface OpenPipeline {
  readonly device: ResolvedDevice;
  readonly precision: Precision;
  readonly scheduler: Scheduler;
  /** The engine of its networks, for others that run beside them; undefined if all parts were given. */
  readonly engine: Engine | undefined;
  /** Pixels per latent, along each side; undefined without latents. */
  readonly vaeScaleFactor?: number;
  /** Its denoising network, if that is a transformer. */
  readonly transformer?: { readonly config: object };
  /** Its denoising network. */
  readonly unet?: { readonly sampleSize?: readonly [height: number, width: number] };
}

/** Options that `start` and `controls` have in another form. */
type RequestedStart =
  | "image"
  | "maskImage"
  | "depthMap"
  | "ipAdapterImage"
  | "ipAdapterMasks"
  | "ipAdapterScale"
  | "controlImage"
  | "controlnetConditioningScale"
  | "controlGuidanceStart"
  | "controlGuidanceEnd"
  | "controlMode"
  | "controlPreprocessor"
  | "controlResizeMode";

/** A run whose pictures are decoded and whose defaults are filled in. */
export interface Job extends Omit<RunRequest, RequestedStart | "hires" | "schedule" | "scheduler" | "seed" | "classLabels"> {
  readonly start: Start;
  /** One for each network that steers. */
  readonly controls: readonly Control[];
  /** One for each IP-Adapter. */
  readonly imagePrompts: readonly ImagePrompt[];
  /** How strongly each IP-Adapter acts. */
  readonly imagePromptScales: readonly IPAdapterScale[];
  readonly numInferenceSteps: number;
  /** The class of every picture, or of each. */
  readonly classLabels: readonly number[] | undefined;
  /** Undefined for a checkpoint without prompts. */
  readonly guidanceScale: number | readonly number[] | undefined;
  /** Called after every step of every pipeline of the job. */
  readonly onStepEnd: SteeringOptions["onStepEnd"];
  /** The share of the denoising after which the refiner takes over; undefined without refiner. */
  readonly denoisingEnd: number | undefined;
  /** The pipeline's scheduler. */
  readonly scheduler: Scheduler;
  /** The noise levels of a run of so many steps, if they have a name. */
  readonly levelsOf: ((steps: number) => readonly number[]) | undefined;
  /** The scheduler of another pipeline of the job, made from that pipeline's own. */
  readonly schedulerFrom: (own: Scheduler) => Scheduler;
}
