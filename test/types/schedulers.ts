// Never run: `tsc` alone judges the public types of the schedulers. Each table needs an entry for every exported scheduler.

import * as darkroom from "../../src/index.js";
import {
  DDIMScheduler,
  type DDPMConfig,
  DDPMScheduler,
  DPMSolverMultistepScheduler,
  FlowMatchEulerDiscreteScheduler,
  Generator,
  PNDMScheduler,
  SASolverScheduler,
  type Scheduler,
  type StepOutput,
  type Tensor,
  UniPCMultistepScheduler,
} from "../../src/index.js";
import type { ClassesOf, Equal } from "./equal.js";

type Exports = typeof darkroom;
type Names = ClassesOf<Exports, "Scheduler">;
type Instance<Name extends Names> = InstanceType<Exports[Name]>;
type ConfigOf<Name extends Names> = Instance<Name>["config"];

declare const scheduler: Scheduler;
declare const tensor: Tensor;
declare const ids: Tensor<"int64">;

type Noise = "epsilon" | "v_prediction";
type NoiseOrPicture = Noise | "sample";
type Any = NoiseOrPicture | "flow_prediction";

/** What the model may predict; never for the classes without a choice. */
interface Predictions {
  CMStochasticIterativeScheduler: never;
  DDIMCFGPPScheduler: NoiseOrPicture;
  DDIMInverseScheduler: NoiseOrPicture;
  DDIMParallelScheduler: NoiseOrPicture;
  DDIMScheduler: NoiseOrPicture;
  DDPMParallelScheduler: NoiseOrPicture;
  DDPMScheduler: NoiseOrPicture;
  DEISMultistepScheduler: Any;
  DPMAdaptiveScheduler: NoiseOrPicture;
  DPMFastScheduler: NoiseOrPicture;
  DPMPP2SAncestralScheduler: NoiseOrPicture;
  DPMSolverMultistepInverseScheduler: Any;
  DPMSolverMultistepScheduler: Any;
  DPMSolverSDEScheduler: Noise;
  DPMSolverSinglestepScheduler: Any;
  EDMDPMSolverMultistepScheduler: Noise;
  EDMEulerScheduler: Noise;
  EulerAncestralDiscreteScheduler: Noise;
  EulerCFGPPScheduler: NoiseOrPicture;
  EulerDiscreteScheduler: NoiseOrPicture;
  FlowMatchEulerDiscreteScheduler: never;
  FlowMatchHeunDiscreteScheduler: never;
  FlowMatchLCMScheduler: never;
  HeunDiscreteScheduler: NoiseOrPicture;
  IPNDMScheduler: never;
  KDPM2AncestralDiscreteScheduler: Noise;
  KDPM2DiscreteScheduler: Noise;
  LCMScheduler: NoiseOrPicture;
  LMSDiscreteScheduler: NoiseOrPicture;
  PNDMScheduler: Noise;
  RestartScheduler: NoiseOrPicture;
  SASolverScheduler: Any;
  ScoreSdeVeScheduler: never;
  ScoreSdeVpScheduler: never;
  TCDScheduler: NoiseOrPicture;
  UniPCMultistepScheduler: Any;
}
true satisfies Equal<{ [Name in Names]: ConfigOf<Name> extends { readonly predictionType: infer Type } ? Type : never }, Predictions>;

/** A config field that each class has and no class without it takes. */
export const fields = {
  CMStochasticIterativeScheduler: new darkroom.CMStochasticIterativeScheduler({ sNoise: 1.01 }).config.clipDenoised satisfies boolean,
  DDIMParallelScheduler: new darkroom.DDIMParallelScheduler({ clipSample: false }).config.setAlphaToOne satisfies boolean,
  DDPMParallelScheduler: new darkroom.DDPMParallelScheduler({ varianceType: "learned" }).config.varianceType satisfies string | null,
  DDIMCFGPPScheduler: new darkroom.DDIMCFGPPScheduler({ clipSample: false }).config.guidanceFactor satisfies number,
  DPMAdaptiveScheduler: new darkroom.DPMAdaptiveScheduler({ solverOrder: 2 }).config.rtol satisfies number,
  DPMFastScheduler: new darkroom.DPMFastScheduler({ eta: 1 }).config.sNoise satisfies number,
  DPMPP2SAncestralScheduler: new darkroom.DPMPP2SAncestralScheduler({ useKarrasSigmas: true }).config.eta satisfies number,
  EulerCFGPPScheduler: new darkroom.EulerCFGPPScheduler({ eta: 1 }).config.guidanceFactor satisfies number,
  RestartScheduler: new darkroom.RestartScheduler({ sNoise: 1.003 }).config.timestepSpacing satisfies string,
  ScoreSdeVeScheduler: new darkroom.ScoreSdeVeScheduler({ correctSteps: 2 }).config.snr satisfies number,
  ScoreSdeVpScheduler: new darkroom.ScoreSdeVpScheduler({ betaMin: 0.2 }).config.betaMax satisfies number,
  DDIMInverseScheduler: new darkroom.DDIMInverseScheduler({ timestepSpacing: "trailing" }).config.timestepSpacing satisfies
    | "leading"
    | "trailing",
  DDIMScheduler: new DDIMScheduler({ clipSample: false }).config.clipSample satisfies boolean,
  DDPMScheduler: new DDPMScheduler({ varianceType: "learned_range" }).config.varianceType satisfies string | null,
  DEISMultistepScheduler: new darkroom.DEISMultistepScheduler({ solverOrder: 3 }).config.solverType satisfies "logrho",
  DPMSolverMultistepInverseScheduler: new darkroom.DPMSolverMultistepInverseScheduler({ eulerAtFinal: true }).config
    .eulerAtFinal satisfies boolean,
  DPMSolverMultistepScheduler: new DPMSolverMultistepScheduler({ useLuLambdas: true }).config.solverType satisfies "midpoint" | "heun",
  DPMSolverSDEScheduler: new darkroom.DPMSolverSDEScheduler({ noiseSamplerSeed: [1, 2] }).config.useKarrasSigmas satisfies boolean,
  DPMSolverSinglestepScheduler: new darkroom.DPMSolverSinglestepScheduler({ lowerOrderFinal: true }).config.solverOrder satisfies number,
  EDMDPMSolverMultistepScheduler: new darkroom.EDMDPMSolverMultistepScheduler({ sigmaData: 0.5 }).config.sigmaData satisfies number,
  EDMEulerScheduler: new darkroom.EDMEulerScheduler({ rho: 7 }).config.sigmaSchedule satisfies "karras" | "exponential",
  EulerAncestralDiscreteScheduler: new darkroom.EulerAncestralDiscreteScheduler({ rescaleBetasZeroSnr: true }).config
    .betaStart satisfies number,
  EulerDiscreteScheduler: new darkroom.EulerDiscreteScheduler({ timestepType: "continuous" }).config.sigmaMax satisfies number | null,
  FlowMatchEulerDiscreteScheduler: new FlowMatchEulerDiscreteScheduler({ stochasticSampling: true }).config.shift satisfies number,
  FlowMatchHeunDiscreteScheduler: new darkroom.FlowMatchHeunDiscreteScheduler({ shift: 3 }).config.shift satisfies number,
  FlowMatchLCMScheduler: new darkroom.FlowMatchLCMScheduler({ scaleFactors: [0.5] }).config.scaleFactors satisfies readonly number[] | null,
  HeunDiscreteScheduler: new darkroom.HeunDiscreteScheduler({ betaSchedule: "exp" }).config.clipSampleRange satisfies number,
  IPNDMScheduler: new darkroom.IPNDMScheduler({ trainedBetas: [0.1] }).config.trainedBetas satisfies readonly number[] | null,
  KDPM2AncestralDiscreteScheduler: new darkroom.KDPM2AncestralDiscreteScheduler({ useBetaSigmas: true }).config
    .useBetaSigmas satisfies boolean,
  KDPM2DiscreteScheduler: new darkroom.KDPM2DiscreteScheduler({ useExponentialSigmas: true }).config.stepsOffset satisfies number,
  LCMScheduler: new darkroom.LCMScheduler({ originalInferenceSteps: 50 }).config.timestepScaling satisfies number,
  LMSDiscreteScheduler: new darkroom.LMSDiscreteScheduler({ useKarrasSigmas: true }).config.useKarrasSigmas satisfies boolean,
  PNDMScheduler: new PNDMScheduler({ skipPrkSteps: true }).config.skipPrkSteps satisfies boolean,
  SASolverScheduler: new SASolverScheduler({ tauFunc: (timestep) => timestep / 1000 }).config.predictorOrder satisfies number,
  TCDScheduler: new darkroom.TCDScheduler({ setAlphaToOne: true }).config.setAlphaToOne satisfies boolean,
  UniPCMultistepScheduler: new UniPCMultistepScheduler({ predictX0: false }).config.disableCorrector satisfies readonly number[],
} satisfies Record<Names, unknown>;

/** Every class makes schedulers of itself, takes a part of its config, and can be given to a pipeline. */
type Makes<Name extends Names> = Exports[Name] extends {
  new (config?: Partial<ConfigOf<Name>>): Instance<Name>;
  fromConfig(config: object, overrides?: object): Scheduler;
}
  ? Instance<Name> extends Scheduler
    ? true
    : false
  : false;
true satisfies Equal<{ [Name in Names]: Makes<Name> }, { [Name in Names]: true }>;

/** Configs. */
export async function configs() {
  new DDIMScheduler().config.predictionType satisfies NoiseOrPicture;
  new DDPMScheduler().config satisfies Readonly<DDPMConfig>;
  DDIMScheduler.fromConfig(scheduler.config, { clipSample: false }) satisfies DDIMScheduler;
  (await DDIMScheduler.fromPretrained("folder", { subfolder: "scheduler" })) satisfies DDIMScheduler;
  new DDIMScheduler().clone({ clipSample: false }) satisfies DDIMScheduler;
  // @ts-expect-error: another class
  DDIMScheduler.fromConfig({}) satisfies DDPMScheduler;
  // @ts-expect-error: a field of other classes
  new DDIMScheduler({ useKarrasSigmas: true });
  // @ts-expect-error: snake_case
  new DDIMScheduler({ clip_sample: true });
  // @ts-expect-error: a value that the class does not have
  new PNDMScheduler({ predictionType: "sample" });
  // @ts-expect-error: a wrong type
  new DPMSolverMultistepScheduler({ solverOrder: "2" });
  // @ts-expect-error: a function of the timestep
  new SASolverScheduler({ tauFunc: 1 });
  // @ts-expect-error: only Python has other schedulers as predictor
  new UniPCMultistepScheduler({ solverP: scheduler });
  // @ts-expect-error: configs do not change
  new DDIMScheduler().config.clipSample = true;
}

/** A loop of one's own. */
export function loop() {
  scheduler.setTimesteps(20);
  scheduler.setTimesteps({ numInferenceSteps: 20, mu: 0.9 });
  scheduler.timesteps satisfies readonly number[];
  scheduler.sigmas satisfies readonly number[] | undefined;
  scheduler.initNoiseSigma satisfies number;
  scheduler.scaleModelInput(tensor, 999) satisfies Tensor;
  scheduler.step(tensor, 999, tensor, { generator: new Generator(7), eta: 1 }) satisfies StepOutput;
  scheduler.step(tensor, 999, tensor).predOriginalSample satisfies Tensor | undefined;
  scheduler.addNoise(tensor, tensor, [999]) satisfies Tensor;
  scheduler.setBeginIndex?.(3);
  new FlowMatchEulerDiscreteScheduler().setShift(3);
  // @ts-expect-error: only some classes start in the middle
  scheduler.setBeginIndex(3);
  // @ts-expect-error: only flow matching has a shift
  new DDIMScheduler().setShift(3);
  // @ts-expect-error: a number of steps, not a list
  scheduler.setTimesteps([999, 499]);
  // @ts-expect-error: there is no such option
  scheduler.setTimesteps({ steps: 20 });
  // @ts-expect-error: samples are float32
  scheduler.step(ids, 999, tensor);
  // @ts-expect-error: a timestep is a number
  scheduler.step(tensor, tensor, tensor);
  // @ts-expect-error: there is no such option
  scheduler.step(tensor, 999, tensor, { noise: tensor });
  // @ts-expect-error: the position is internal
  scheduler.stepIndex = 3;
}
