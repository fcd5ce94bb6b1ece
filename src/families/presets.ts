import type { FamilyId } from "./lookups.js";

/** How a few-step checkpoint or LoRA is meant to be used. */
export interface Preset {
  /** What it is for, in a few words. */
  readonly description: string;
  /** The families of checkpoints that there are such networks for. */
  readonly families: readonly FamilyId[];
  /** The scheduler's short name. */
  readonly scheduler: string;
  /** Settings of the scheduler's config. */
  readonly schedulerConfig?: Readonly<Record<string, string | number | boolean>>;
  /** Denoising steps. */
  readonly numInferenceSteps: number;
  /** Timesteps, if the network was trained for these alone. */
  readonly timesteps?: readonly number[];
  /** At 1 and below there is no guidance. */
  readonly guidanceScale: number;
  /** The share of fresh noise in a step. */
  readonly eta?: number;
}

const XL = ["xl"] as const;
const ALL = ["sd1", "xl"] as const;
const TRAILING = { timestepSpacing: "trailing" };

/** SD and SDXL Turbo (Sauer et al. 2023), as their model cards say. */
const turbo = (steps: number): Preset => ({
  description: `SD Turbo and SDXL Turbo in ${counted(steps)}`,
  families: ["sd2", "xl"],
  scheduler: "euler-a",
  schedulerConfig: TRAILING,
  numInferenceSteps: steps,
  guidanceScale: 0,
});

/** SDXL-Lightning (Lin et al. 2024), as ByteDance/SDXL-Lightning says. Its network for one step predicts the picture. */
const lightning = (steps: number): Preset => ({
  description: `SDXL-Lightning's checkpoint or LoRA for ${counted(steps)}`,
  families: XL,
  scheduler: "euler",
  schedulerConfig: { ...TRAILING, ...(steps === 1 && { predictionType: "sample" }) },
  numInferenceSteps: steps,
  guidanceScale: 0,
});

/** Hyper-SD (Ren et al. 2024), LoRAs for a fixed number of steps, as ByteDance/Hyper-SD says. */
const hyper = (steps: number): Preset => ({
  description: `Hyper-SD's LoRA for ${counted(steps)}`,
  families: ALL,
  scheduler: "ddim",
  schedulerConfig: TRAILING,
  numInferenceSteps: steps,
  guidanceScale: 0,
});

/** Latent consistency LoRAs (Luo et al. 2023), as latent-consistency/lcm-lora-sdxl says. */
const lcm = (steps: number): Preset => ({
  description: `LCM-LoRA in ${counted(steps)}`,
  families: ALL,
  scheduler: "lcm",
  numInferenceSteps: steps,
  guidanceScale: 1,
});

const RECIPES = {
  "turbo-1": turbo(1),
  "turbo-4": turbo(4),
  "lightning-1": lightning(1),
  "lightning-2": lightning(2),
  "lightning-4": lightning(4),
  "lightning-8": lightning(8),
  // The LoRA for any number of steps; with one step, all of the noise is fresh.
  "hyper-1": {
    description: "Hyper-SD's unified LoRA in 1 step",
    families: ALL,
    scheduler: "tcd",
    numInferenceSteps: 1,
    guidanceScale: 0,
    eta: 1,
  },
  "hyper-1-unet": {
    description: "Hyper-SD's XL UNet for 1 step",
    families: XL,
    scheduler: "lcm",
    numInferenceSteps: 1,
    timesteps: [800],
    guidanceScale: 0,
  },
  "hyper-2": hyper(2),
  "hyper-4": hyper(4),
  "hyper-8": hyper(8),
  // DMD2 (Yin et al. 2024), as tianweiy/DMD2 says.
  "dmd2-1": {
    description: "DMD2's UNet for 1 step",
    families: XL,
    scheduler: "lcm",
    numInferenceSteps: 1,
    timesteps: [399],
    guidanceScale: 0,
  },
  "dmd2-4": {
    description: "DMD2's UNet or LoRA for 4 steps",
    families: XL,
    scheduler: "lcm",
    numInferenceSteps: 4,
    timesteps: [999, 749, 499, 249],
    guidanceScale: 0,
  },
  "lcm-4": lcm(4),
  "lcm-8": lcm(8),
  // Trajectory consistency (Zheng et al. 2024), as h1t/TCD-SDXL-LoRA says.
  "tcd-4": { description: "TCD's LoRA in 4 steps", families: ALL, scheduler: "tcd", numInferenceSteps: 4, guidanceScale: 0, eta: 0.3 },
} as const satisfies Readonly<Record<string, Preset>>;

/** The name of a recipe, such as `lightning-4`. */
export type PresetName = keyof typeof RECIPES;

/** Recipes of few-step checkpoints and LoRAs, by name. */
export const PRESETS: Readonly<Record<PresetName, Preset>> = RECIPES;

/** The names of all recipes. */
export const PRESET_NAMES = Object.keys(PRESETS) as readonly PresetName[];

function counted(steps: number): string {
  return `${steps} step${steps === 1 ? "" : "s"}`;
}
