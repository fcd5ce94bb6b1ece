import * as v from "valibot";
import { ArgumentError, ConfigError } from "../errors.js";
import { isPlain, shown, wrongArgument } from "../given.js";
import { mistypedName } from "../nearest.js";
import { type Field, field } from "../options/fields.js";
import type { Spelling } from "../wording.js";
import { CMStochasticIterativeScheduler } from "./cm-stochastic-iterative.js";
import { DDIMScheduler } from "./ddim.js";
import { DDIMCFGPPScheduler } from "./ddim-cfg-pp.js";
import { DDIMInverseScheduler } from "./ddim-inverse.js";
import { DDIMParallelScheduler } from "./ddim-parallel.js";
import { DDPMScheduler } from "./ddpm.js";
import { DDPMParallelScheduler } from "./ddpm-parallel.js";
import { DEISMultistepScheduler } from "./deis-multistep.js";
import { DPMAdaptiveScheduler } from "./dpm-adaptive.js";
import { DPMFastScheduler } from "./dpm-fast.js";
import { DPMSolverMultistepScheduler } from "./dpm-solver-multistep.js";
import { DPMSolverMultistepInverseScheduler } from "./dpm-solver-multistep-inverse.js";
import { DPMSolverSDEScheduler } from "./dpm-solver-sde.js";
import { DPMSolverSinglestepScheduler } from "./dpm-solver-singlestep.js";
import { DPMPP2SAncestralScheduler } from "./dpmpp-2s-ancestral.js";
import { EDMDPMSolverMultistepScheduler } from "./edm-dpm-solver-multistep.js";
import { EDMEulerScheduler } from "./edm-euler.js";
import { EulerAncestralDiscreteScheduler } from "./euler-ancestral-discrete.js";
import { EulerCFGPPScheduler } from "./euler-cfg-pp.js";
import { EulerDiscreteScheduler } from "./euler-discrete.js";
import { FlowMatchEulerDiscreteScheduler } from "./flow-match-euler-discrete.js";
import { FlowMatchHeunDiscreteScheduler } from "./flow-match-heun-discrete.js";
import { FlowMatchLCMScheduler } from "./flow-match-lcm.js";
import { HeunDiscreteScheduler } from "./heun-discrete.js";
import { IPNDMScheduler } from "./ipndm.js";
import { KDPM2AncestralDiscreteScheduler } from "./k-dpm-2-ancestral-discrete.js";
import { KDPM2DiscreteScheduler } from "./k-dpm-2-discrete.js";
import { LCMScheduler } from "./lcm.js";
import { LMSDiscreteScheduler } from "./lms-discrete.js";
import { PNDMScheduler } from "./pndm.js";
import { RestartScheduler } from "./restart.js";
import { SASolverScheduler } from "./sa-solver.js";
import { ScoreSdeVeScheduler } from "./score-sde-ve.js";
import { ScoreSdeVpScheduler } from "./score-sde-vp.js";
import type { ConfigSchema } from "./shared/config-fields.js";
import { flowSettings, followsFlow, withoutSpacing } from "./shared/flow-settings.js";
import { Scheduler, type SchedulerClass } from "./shared/scheduler.js";
import { TCDScheduler } from "./tcd.js";
import { UniPCMultistepScheduler } from "./unipc-multistep.js";

/** A scheduler class, with a description in one line. */
export interface SchedulerEntry {
  /** The scheduler's class. */
  readonly class: SchedulerClass;
  readonly description: string;
  /**
   * Its names in web UIs and in the settings of pictures, and the config fields that each name stands for. Later names stand for more.
   */
  readonly samplers: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
  /** Short names, as other programs spell them, and the config fields that each name changes. */
  readonly aliases: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
}

const karras = { useKarrasSigmas: true };
const sde = { algorithmType: "sde-dpmsolver++" };

/** Every scheduler, by its name in diffusers. */
export const SCHEDULERS: Readonly<Record<string, SchedulerEntry>> = {
  CMStochasticIterativeScheduler: {
    class: CMStochasticIterativeScheduler,
    description: "consistency models of pixels: pictures in one step, or finer ones in a few",
    samplers: { "CM stochastic": {} },
    aliases: { "cm-stochastic": {} },
  },
  DDIMCFGPPScheduler: {
    class: DDIMCFGPPScheduler,
    description: "DDIM with CFG++: guided pictures that stay closer to what the model knows",
    samplers: { "DDIM CFG++": {} },
    aliases: { "ddim-cfg++": {} },
  },
  DDIMInverseScheduler: {
    class: DDIMInverseScheduler,
    description: "DDIM backwards, from a picture to the noise that leads to it",
    samplers: { "DDIM inverse": {} },
    aliases: { "ddim-inverse": {} },
  },
  DDIMParallelScheduler: {
    class: DDIMParallelScheduler,
    description: "DDIM, with a step for many timesteps at once",
    samplers: { "DDIM parallel": {} },
    aliases: {},
  },
  DDIMScheduler: {
    class: DDIMScheduler,
    description: "DDIM, deterministic unless eta is above 0",
    samplers: { DDIM: {} },
    aliases: { ddim: {} },
  },
  DDPMParallelScheduler: {
    class: DDPMParallelScheduler,
    description: "DDPM, with a step for many timesteps at once",
    samplers: { "DDPM parallel": {} },
    aliases: {},
  },
  DDPMScheduler: {
    class: DDPMScheduler,
    description: "DDPM, the original ancestral sampler: fresh noise in every step, best with hundreds of steps",
    samplers: { DDPM: {} },
    aliases: { ddpm: {} },
  },
  DEISMultistepScheduler: {
    class: DEISMultistepScheduler,
    description: "DEIS, an exponential integrator with polynomials in log rho: good pictures in 15 to 25 steps",
    samplers: { DEIS: {} },
    aliases: { deis: {} },
  },
  DPMAdaptiveScheduler: {
    class: DPMAdaptiveScheduler,
    description: "DPM-Solver-23 that chooses its steps itself, from noise only",
    samplers: { "DPM adaptive": {} },
    aliases: { "dpm-adaptive": {} },
  },
  DPMFastScheduler: {
    class: DPMFastScheduler,
    description: "DPM-Solver-fast: steps of order 3 with as many evaluations as there are steps",
    samplers: { "DPM fast": {} },
    aliases: { "dpm-fast": {} },
  },
  DPMPP2SAncestralScheduler: {
    class: DPMPP2SAncestralScheduler,
    description: "DPM-Solver++ singlestep with fresh noise in every step, two evaluations a step",
    samplers: { "DPM++ 2S a": {} },
    aliases: { "dpm++-2s-a": {}, "dpm++-2s-ancestral": {}, "dpm++-2s-a-karras": karras },
  },
  DPMSolverMultistepInverseScheduler: {
    class: DPMSolverMultistepInverseScheduler,
    description: "DPM-Solver++ multistep backwards, from a picture to its noise, for editing",
    samplers: { "DPM++ 2M inverse": {} },
    aliases: {},
  },
  DPMSolverMultistepScheduler: {
    class: DPMSolverMultistepScheduler,
    description: "DPM-Solver++ multistep, order 2: good pictures in 20 to 30 steps",
    samplers: {
      "DPM++ 2M": {},
      "DPM++ 2M SDE": sde,
      "DPM++ 2M SDE Heun": { ...sde, solverType: "heun" },
      "DPM++ 3M": { solverOrder: 3 },
      "DPM++ 3M SDE": { ...sde, solverOrder: 3 },
    },
    aliases: {
      "dpm++-2m": {},
      "dpm++-2m-karras": karras,
      "dpm++-2m-sde": sde,
      "dpm++-2m-sde-heun": { ...sde, solverType: "heun" },
      "dpm++-2m-sde-karras": { ...sde, ...karras },
      "dpm++-3m": { solverOrder: 3 },
      "dpm++-3m-sde": { ...sde, solverOrder: 3 },
      "dpm++-3m-sde-karras": { ...sde, ...karras, solverOrder: 3 },
    },
  },
  DPMSolverSDEScheduler: {
    class: DPMSolverSDEScheduler,
    description: "DPM-Solver++ with noise from a Brownian tree, two evaluations a step",
    samplers: { "DPM++ SDE": {} },
    aliases: { "dpm++-sde": {}, "dpm++-sde-karras": karras },
  },
  DPMSolverSinglestepScheduler: {
    class: DPMSolverSinglestepScheduler,
    description: "DPM-Solver++ singlestep: groups of two or three evaluations",
    samplers: { "DPM++ 2S": {}, "DPM++ 3S": { solverOrder: 3 } },
    aliases: { "dpm++-2s": {}, "dpm++-2s-karras": karras, "dpm++-3s": { solverOrder: 3 } },
  },
  EDMDPMSolverMultistepScheduler: {
    class: EDMDPMSolverMultistepScheduler,
    description: "DPM-Solver++ multistep for EDM models (Playground 2.5 and others)",
    samplers: { "EDM DPM++ 2M": {}, "EDM DPM++ 2M SDE": sde },
    aliases: { "edm-dpm++-2m": {}, "edm-dpm++-2m-sde": sde },
  },
  EDMEulerScheduler: {
    class: EDMEulerScheduler,
    description: "Euler's method for EDM models",
    samplers: { "EDM Euler": {} },
    aliases: { "edm-euler": {} },
  },
  EulerAncestralDiscreteScheduler: {
    class: EulerAncestralDiscreteScheduler,
    description: "Euler with fresh noise in every step; the picture keeps changing with the number of steps",
    samplers: { "Euler a": {} },
    aliases: { "euler-a": {}, "euler-ancestral": {} },
  },
  EulerCFGPPScheduler: {
    class: EulerCFGPPScheduler,
    description: "Euler with CFG++, for guidance scales of 1 to 2",
    samplers: { "Euler CFG++": {}, "Euler a CFG++": { eta: 1 } },
    aliases: { "euler-cfg++": {}, "euler-a-cfg++": { eta: 1 }, "euler-ancestral-cfg++": { eta: 1 } },
  },
  EulerDiscreteScheduler: {
    class: EulerDiscreteScheduler,
    description: "Euler's method along the sigmas, the simplest ODE sampler",
    samplers: { Euler: {} },
    aliases: { euler: {}, "euler-karras": karras },
  },
  FlowMatchEulerDiscreteScheduler: {
    class: FlowMatchEulerDiscreteScheduler,
    description: "Euler's method for flow-matching models (Stable Diffusion 3, FLUX)",
    samplers: { "Flow Euler": {} },
    aliases: { "flow-euler": {} },
  },
  FlowMatchHeunDiscreteScheduler: {
    class: FlowMatchHeunDiscreteScheduler,
    description: "Heun's method for flow-matching models, two evaluations a step",
    samplers: { "Flow Heun": {} },
    aliases: { "flow-heun": {} },
  },
  FlowMatchLCMScheduler: {
    class: FlowMatchLCMScheduler,
    description: "few-step sampling for distilled flow-matching models",
    samplers: { "Flow LCM": {} },
    aliases: { "flow-lcm": {} },
  },
  HeunDiscreteScheduler: {
    class: HeunDiscreteScheduler,
    description: "Heun's method: Euler corrected, two evaluations a step",
    samplers: { Heun: {} },
    aliases: { heun: {}, "heun-karras": karras },
  },
  IPNDMScheduler: {
    class: IPNDMScheduler,
    description: "improved pseudo linear multistep on a cosine schedule (Dance Diffusion)",
    samplers: { IPNDM: {} },
    aliases: { ipndm: {} },
  },
  KDPM2AncestralDiscreteScheduler: {
    class: KDPM2AncestralDiscreteScheduler,
    description: "DPM-Solver-2 with fresh noise in every step, two evaluations a step",
    samplers: { "DPM2 a": {} },
    aliases: { "dpm2-a": {}, "dpm2-ancestral": {}, "dpm2-a-karras": karras },
  },
  KDPM2DiscreteScheduler: {
    class: KDPM2DiscreteScheduler,
    description: "DPM-Solver-2 by way of midpoints, two evaluations a step",
    samplers: { DPM2: {} },
    aliases: { dpm2: {}, "dpm2-karras": karras },
  },
  LCMScheduler: {
    class: LCMScheduler,
    description: "latent consistency models: pictures in 1 to 8 steps from distilled models",
    samplers: { LCM: {} },
    aliases: { lcm: {} },
  },
  LMSDiscreteScheduler: {
    class: LMSDiscreteScheduler,
    description: "linear multistep with the last four derivatives",
    samplers: { LMS: {} },
    aliases: { lms: {}, "lms-karras": karras },
  },
  PNDMScheduler: {
    class: PNDMScheduler,
    description: "pseudo numerical method (PLMS), Stable Diffusion 1's first sampler",
    samplers: { PNDM: {}, PLMS: { skipPrkSteps: true } },
    aliases: { pndm: {}, plms: { skipPrkSteps: true } },
  },
  RestartScheduler: {
    class: RestartScheduler,
    description: "Heun's method that goes back to middle noise and repeats the way, from 20 steps on",
    samplers: { Restart: {} },
    aliases: { restart: {}, "restart-karras": karras },
  },
  SASolverScheduler: {
    class: SASolverScheduler,
    description: "SA-Solver, stochastic Adams predictor and corrector: noise only in the middle of the run",
    samplers: { "SA-Solver": {} },
    aliases: { "sa-solver": {} },
  },
  ScoreSdeVeScheduler: {
    class: ScoreSdeVeScheduler,
    description: "score-based models of exploding variance: predictor and corrector in 2000 steps, for ScoreSdeVePipeline alone",
    samplers: { "Score SDE VE": {} },
    aliases: {},
  },
  ScoreSdeVpScheduler: {
    class: ScoreSdeVpScheduler,
    description: "score-based models of preserved variance, for programs that call stepPred",
    samplers: { "Score SDE VP": {} },
    aliases: {},
  },
  TCDScheduler: {
    class: TCDScheduler,
    description: "trajectory consistency distillation: few steps; eta chooses how much noise each step adds",
    samplers: { TCD: {} },
    aliases: { tcd: {} },
  },
  UniPCMultistepScheduler: {
    class: UniPCMultistepScheduler,
    description: "UniPC predictor and corrector: good pictures in 10 to 20 steps",
    samplers: { UniPC: {} },
    aliases: { unipc: {}, "unipc-karras": karras },
  },
};

/**
 * The scheduler that a config belongs to, by its `_className`.
 *
 * @param config camelCase, as `readConfig` gives scheduler_config.json.
 * @throws ConfigError if there is no such class, or a value is not allowed.
 */
export function schedulerFromConfig(config: Readonly<Record<string, unknown>>): Scheduler {
  if (!isPlain(config)) throw wrongArgument("config", config, "a scheduler's config");
  const name = config._className;
  const entry = typeof name === "string" && Object.hasOwn(SCHEDULERS, name) ? SCHEDULERS[name] : undefined;
  if (!entry) {
    throw new ConfigError(`the scheduler config's _class_name is ${shown(name)}, which is unknown`, {
      hint: `known classes: ${Object.keys(SCHEDULERS).join(", ")}`,
    });
  }
  return entry.class.fromConfig(config);
}

/** The scheduler that a name means; `class.fromConfig(config, overrides)` makes it. */
export interface ResolvedScheduler {
  /** The scheduler's class. */
  readonly class: SchedulerClass;
  /** Config fields that the name stands for. */
  readonly overrides: Readonly<Record<string, unknown>>;
}

/**
 * Finds a scheduler by class name (with or without "Scheduler"), alias or the name of a sampler. Letter case does not matter, and spaces
 * and underscores count as dashes.
 *
 * @throws ArgumentError with all names in the hint; it suggests one if there is a similar one.
 */
export function resolveScheduler(name: string): ResolvedScheduler {
  if (typeof name !== "string") throw wrongArgument("name", name, "the name of a scheduler");
  const names = knownNames();
  const found = names.get(normalize(name))?.found;
  if (found) return found;
  const meant = names.get(mistypedName(normalize(name), names.keys()) ?? "")?.name;
  throw new ArgumentError(`there is no scheduler ${shown(name)}${meant === undefined ? "" : `; did you mean ${meant}?`}`, {
    argument: "scheduler",
    hint: `the schedulers are ${Object.keys(SCHEDULERS).join(", ")}; each has short names as well`,
  });
}

/** Field of a pipeline's scheduler: a scheduler, or the name of one. */
export const schedulerField: Field<Scheduler | string> = {
  ...field((value) => value instanceof Scheduler || typeof value === "string", 'a scheduler, or the name of one such as "euler"'),
  nullIsValue: true,
};

/**
 * The scheduler that a value means: the value itself or, if it is a name, a scheduler of that class with the config of `current`.
 * @throws ArgumentError for an unknown name or any other value.
 */
export function schedulerFor(wanted: Scheduler | string, current: Scheduler): Scheduler {
  if (typeof wanted === "string") return namedScheduler(resolveScheduler(wanted), current);
  if (wanted instanceof Scheduler) return wanted;
  throw wrongArgument("scheduler", wanted, schedulerField.expected);
}

/** The schedulers of flow matching that take the place of others with the same method. */
const FLOW_COUNTERPARTS: ReadonlyMap<SchedulerClass, SchedulerClass> = new Map<SchedulerClass, SchedulerClass>([
  [EulerDiscreteScheduler, FlowMatchEulerDiscreteScheduler],
  [HeunDiscreteScheduler, FlowMatchHeunDiscreteScheduler],
  [LCMScheduler, FlowMatchLCMScheduler],
]);

/**
 * A scheduler that was named, with the config of the `current` one and further settings. If that is for flow matching, so is the new one:
 * "euler" is then Euler's method for flows, and solvers get flow sigmas.
 * @throws ArgumentError if the named one cannot follow a flow, or has no such setting
 */
export function namedScheduler({ class: named, overrides }: ResolvedScheduler, current: Scheduler, settings: object = {}): Scheduler {
  if (!followsFlow(current) || named.className.startsWith("FlowMatch"))
    return named.fromConfig(current.config, { ...overrides, ...settings });
  const counterpart = FLOW_COUNTERPARTS.get(named);
  if (counterpart) return counterpart.fromConfig(current.config, { ...overrides, ...settings });
  const flow = flowSettings(named, current.config as object);
  if (flow) {
    const even = withoutSpacing(named, { ...current.config, ...overrides, ...settings });
    return named.fromConfig(current.config, { ...overrides, ...even, ...flow, ...settings });
  }
  throw new ArgumentError(`${named.className} cannot follow a model of flow matching, such as this checkpoint's`, {
    argument: "scheduler",
    hint: "take euler, heun, lcm, dpm++-2m, unipc or deis, or leave the scheduler out",
  });
}

/**
 * Checks that schedulers of a class have all of these settings, and allow their values. `prefix` is put before their names in messages.
 * @throws ArgumentError for the first setting that is missing or refused; its hint names schedulers that take it.
 */
export function expectSettings(
  { className, schema }: Pick<SchedulerClass, "className" | "schema">,
  settings: object,
  prefix: "" | `${string}.` = "",
): void {
  for (const [key, value] of Object.entries(settings)) {
    if (allows(schema, key, value)) continue;
    const argument = prefix + key;
    const hasField = Object.hasOwn(schema.entries, key);
    const others = Object.values(SCHEDULERS).filter((entry) => allows(entry.class.schema, key, value));
    const names = others.flatMap(({ aliases }) => Object.keys(aliases).slice(0, 1));
    const instead = (name: Spelling) =>
      names.length === 0 ? "" : `, or set ${name("scheduler")} to one that takes it: ${names.join(", ")}`;
    throw new ArgumentError(
      (name) =>
        hasField
          ? `${name(argument)} is ${JSON.stringify(value)}, which ${className} does not take`
          : `${name(argument)} does not apply to ${className}, which has no such setting`,
      { argument, hint: (name) => `leave ${name(argument)} out${instead(name)}` },
    );
  }
}

function allows(schema: ConfigSchema, key: string, value: unknown): boolean {
  const field = Object.hasOwn(schema.entries, key) ? schema.entries[key] : undefined;
  return field !== undefined && v.is(field, value);
}

/** Every class name and alias. */
export function schedulerNames(): string[] {
  return Object.entries(SCHEDULERS).flatMap(([name, { aliases }]) => [name, ...Object.keys(aliases)]);
}

/** What each name means, and the name as people write it. */
function knownNames(): Map<string, { readonly name: string; readonly found: ResolvedScheduler }> {
  const names = new Map<string, { readonly name: string; readonly found: ResolvedScheduler }>();
  for (const [name, { class: type, samplers, aliases }] of Object.entries(SCHEDULERS)) {
    const whole = { name, found: { class: type, overrides: {} } };
    names.set(normalize(name), whole);
    names.set(normalize(name.replace(/Scheduler$/, "")), whole);
    for (const [alias, overrides] of Object.entries({ ...samplers, ...aliases })) {
      names.set(normalize(alias), { name: normalize(alias), found: { class: type, overrides } });
    }
  }
  return names;
}

function normalize(name: string): string {
  return name
    .trim()
    .toLowerCase()
    .replaceAll(/[\s_-]+/g, "-")
    .replace(/^dpmpp/, "dpm++")
    .replace(/-cfg-?pp$/, "-cfg++");
}
