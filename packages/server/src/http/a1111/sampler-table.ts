import type { GenerateRequest } from "darkroom/generate";

/** A field of a scheduler's config, as a request's `schedulerConfig` has it. */
export type SchedulerField =
  | "algorithmType"
  | "eta"
  | "skipPrkSteps"
  | "solverOrder"
  | "solverType"
  | "stepsOffset"
  | "timestepSpacing"
  | "useBetaSigmas"
  | "useExponentialSigmas"
  | "useKarrasSigmas";

export type SchedulerFields = Readonly<Partial<Record<SchedulerField, string | number | boolean>>>;

/** A sampler of AUTOMATIC1111's web UI. */
export interface Sampler {
  readonly name: string;
  readonly aliases: readonly string[];
  /** The scheduler that "automatic" stands for. */
  readonly automatic: string;
  /** The class that comes nearest. */
  readonly className: string;
  readonly overrides?: SchedulerFields;
  /** The class takes no noise levels one by one, or only those that end with 0. */
  readonly levels?: "none" | "to 0";
  /** What of schedulers the class does not have. */
  readonly lacks?: readonly SchedulerField[];
  /** The web UI's sampler spaces its steps in its own way, whatever scheduler is named. */
  readonly ignoresScheduler?: true;
  /** How the class differs, or what to know of it. */
  readonly note?: string;
}

/** A scheduler of AUTOMATIC1111's web UI: how the noise levels are spaced. */
export interface Spacing {
  readonly name: string;
  readonly label: string;
  readonly aliases?: readonly string[];
  readonly overrides?: SchedulerFields;
  /** Its name in the library, which goes before the overrides of the scheduler's config. */
  readonly schedule?: NonNullable<GenerateRequest["schedule"]>;
  /** How the overrides differ, which stand for it where a class takes no noise levels. */
  readonly note?: string;
}

const SIGMAS = ["useKarrasSigmas", "useExponentialSigmas", "useBetaSigmas"] as const;
const SDE = { algorithmType: "sde-dpmsolver++" } as const;

/** The samplers of AUTOMATIC1111 1.10 in its order, then others. */
export const SAMPLERS: readonly Sampler[] = [
  { name: "DPM++ 2M", aliases: ["k_dpmpp_2m"], automatic: "karras", className: "DPMSolverMultistepScheduler" },
  { name: "DPM++ SDE", aliases: ["k_dpmpp_sde"], automatic: "karras", className: "DPMSolverSDEScheduler", levels: "to 0" },
  {
    name: "DPM++ 2M SDE",
    aliases: ["k_dpmpp_2m_sde"],
    automatic: "exponential",
    className: "DPMSolverMultistepScheduler",
    overrides: SDE,
  },
  {
    name: "DPM++ 2M SDE Heun",
    aliases: ["k_dpmpp_2m_sde_heun"],
    automatic: "exponential",
    className: "DPMSolverMultistepScheduler",
    overrides: { ...SDE, solverType: "heun" },
  },
  {
    name: "DPM++ 2S a",
    aliases: ["k_dpmpp_2s_a"],
    automatic: "karras",
    className: "DPMPP2SAncestralScheduler",
    levels: "to 0",
  },
  {
    name: "DPM++ 3M SDE",
    aliases: ["k_dpmpp_3m_sde"],
    automatic: "exponential",
    className: "DPMSolverMultistepScheduler",
    overrides: { ...SDE, solverOrder: 3 },
  },
  {
    name: "Euler a",
    aliases: ["k_euler_a", "k_euler_ancestral"],
    automatic: "uniform",
    className: "EulerAncestralDiscreteScheduler",
    lacks: SIGMAS,
  },
  { name: "Euler", aliases: ["k_euler"], automatic: "uniform", className: "EulerDiscreteScheduler" },
  { name: "LMS", aliases: ["k_lms"], automatic: "uniform", className: "LMSDiscreteScheduler" },
  { name: "Heun", aliases: ["k_heun"], automatic: "uniform", className: "HeunDiscreteScheduler" },
  { name: "DPM2", aliases: ["k_dpm_2"], automatic: "karras", className: "KDPM2DiscreteScheduler", levels: "to 0" },
  { name: "DPM2 a", aliases: ["k_dpm_2_a"], automatic: "karras", className: "KDPM2AncestralDiscreteScheduler", levels: "to 0" },
  // The web UI's default eta is 1 for all samplers of k-diffusion, whose own is 0 for these two.
  { name: "DPM fast", aliases: ["k_dpm_fast"], automatic: "uniform", className: "DPMFastScheduler", levels: "to 0", overrides: { eta: 1 } },
  {
    name: "DPM adaptive",
    aliases: ["k_dpm_ad"],
    automatic: "uniform",
    className: "DPMAdaptiveScheduler",
    levels: "to 0",
    overrides: { eta: 1 },
    note: "it chooses its number of steps itself",
  },
  { name: "Restart", aliases: ["restart"], automatic: "karras", className: "RestartScheduler", levels: "to 0" },
  {
    name: "DDIM",
    aliases: ["ddim"],
    automatic: "uniform",
    className: "DDIMScheduler",
    overrides: { timestepSpacing: "leading", stepsOffset: 1 },
    ignoresScheduler: true,
  },
  {
    name: "DDIM CFG++",
    aliases: ["ddim_cfgpp"],
    automatic: "uniform",
    className: "DDIMCFGPPScheduler",
    overrides: { timestepSpacing: "leading", stepsOffset: 1 },
    ignoresScheduler: true,
  },
  {
    name: "PLMS",
    aliases: ["plms"],
    automatic: "uniform",
    className: "PNDMScheduler",
    overrides: { skipPrkSteps: true },
    ignoresScheduler: true,
  },
  {
    name: "UniPC",
    aliases: ["unipc"],
    automatic: "uniform",
    className: "UniPCMultistepScheduler",
    // The web UI's defaults.
    overrides: { solverType: "bh1", solverOrder: 3 },
    ignoresScheduler: true,
  },
  { name: "LCM", aliases: ["k_lcm"], automatic: "uniform", className: "LCMScheduler", levels: "none", lacks: SIGMAS },
  // Of the web UI's forks.
  { name: "Euler CFG++", aliases: ["euler_cfg_pp"], automatic: "uniform", className: "EulerCFGPPScheduler" },
  {
    name: "Euler a CFG++",
    aliases: ["euler_ancestral_cfg_pp"],
    automatic: "uniform",
    className: "EulerCFGPPScheduler",
    overrides: { eta: 1 },
  },
];

/** The schedulers of AUTOMATIC1111 1.10 in its order. */
export const SPACINGS: readonly Spacing[] = [
  { name: "automatic", label: "Automatic" },
  { name: "uniform", label: "Uniform", overrides: { timestepSpacing: "linspace" } },
  { name: "karras", label: "Karras", overrides: { useKarrasSigmas: true } },
  { name: "exponential", label: "Exponential", overrides: { useExponentialSigmas: true } },
  { name: "polyexponential", label: "Polyexponential", overrides: { useExponentialSigmas: true } },
  { name: "sgm_uniform", label: "SGM Uniform", aliases: ["SGMUniform"], overrides: { timestepSpacing: "trailing" } },
  { name: "kl_optimal", label: "KL Optimal", schedule: "kl-optimal" },
  { name: "align_your_steps", label: "Align Your Steps", schedule: "align-your-steps" },
  {
    name: "simple",
    label: "Simple",
    schedule: "simple",
    overrides: { timestepSpacing: "trailing" },
    note: "the nearest here is SGM Uniform",
  },
  { name: "normal", label: "Normal", overrides: { timestepSpacing: "linspace" } },
  { name: "ddim", label: "DDIM", overrides: { timestepSpacing: "leading", stepsOffset: 1 } },
  { name: "beta", label: "Beta", overrides: { useBetaSigmas: true } },
];

/** Those of its forks, too. */
export const OFFERED_SPACINGS: readonly Spacing[] = [
  ...SPACINGS,
  { name: "turbo", label: "Turbo", schedule: "turbo" },
  { name: "align_your_steps_GITS", label: "Align Your Steps GITS", schedule: "align-your-steps-gits" },
  { name: "align_your_steps_11", label: "Align Your Steps 11", schedule: "align-your-steps-11" },
  { name: "align_your_steps_32", label: "Align Your Steps 32", schedule: "align-your-steps-32" },
];
