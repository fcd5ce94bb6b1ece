import type { GenerateRequest } from "darkroom/generate";
import { HttpError } from "../http-error.js";
import { insteadOf } from "./names.js";
import { OFFERED_SPACINGS, SAMPLERS, type Sampler, type SchedulerField, type Spacing } from "./sampler-table.js";

/** A sampler in the library's terms. */
export interface ChosenSampler {
  /** The web UI's name for it; undefined: the model's own scheduler. */
  readonly name: string | undefined;
  readonly request: Pick<GenerateRequest, "scheduler" | "timestepSpacing" | "schedule" | "schedulerConfig">;
  readonly warnings: readonly string[];
}

/**
 * The scheduler for the web UI's names of a sampler and a scheduler, which may also be one name: "DPM++ 2M Karras". Without a sampler it is
 * the model's own.
 * @throws HttpError for a name that is unknown, or a scheduler that nothing here comes near; its hint says what to take instead
 */
export function chooseSampler(sampler: string | undefined, scheduler: string | undefined): ChosenSampler {
  const named = scheduler === undefined || scheduler === "" ? undefined : spacingOf(scheduler);
  if (sampler === undefined || sampler === "") {
    const warnings = named && named.name !== "automatic" ? [`scheduler "${scheduler}" has no effect without a sampler_name`] : [];
    return { name: undefined, request: {}, warnings };
  }
  const { found, suffix } = samplerOf(sampler);
  // A scheduler in the sampler's name is older than the field: the field wins, unless it leaves the choice.
  const given = named && named.name !== "automatic" ? named : suffix;
  const spacing = given ?? spacingOf(found.automatic);
  const levels = found.levels === "none" || (found.levels === "to 0" && spacing.schedule === "kl-optimal") ? undefined : spacing.schedule;
  const schedule = found.ignoresScheduler ? undefined : levels;
  const [taken, lacking] = found.ignoresScheduler || schedule !== undefined ? [{}, []] : split(spacing, found);
  const { timestepSpacing, ...config } = { ...found.overrides, ...taken };
  const warnings: string[] = [];
  if (found.note !== undefined) warnings.push(`sampler ${found.name}: ${found.note}`);
  if (given && found.ignoresScheduler) {
    warnings.push(`scheduler ${given.label} has no effect: ${found.name} spaces its steps in its own way`);
  } else if (spacing.schedule !== undefined && schedule === undefined && spacing.overrides === undefined) {
    warnings.push(
      `scheduler ${spacing.label} has no effect: ${found.className}, which stands for ${found.name}, cannot take its noise levels`,
    );
  } else if (given && lacking.length > 0) {
    warnings.push(
      `scheduler ${given.label} has no effect: ${found.className}, which stands for ${found.name}, has no ${lacking.join(" and ")}`,
    );
  } else if (given?.note !== undefined && schedule === undefined) {
    warnings.push(`scheduler ${given.label}: ${given.note}`);
  }
  return {
    name: found.name,
    request: {
      scheduler: found.className,
      ...(timestepSpacing !== undefined && { timestepSpacing: timestepSpacing as GenerateRequest["timestepSpacing"] }),
      ...(schedule !== undefined && { schedule }),
      ...(Object.keys(config).length > 0 && { schedulerConfig: config }),
    },
    warnings,
  };
}

/** What the sampler's class takes of a spacing, and what it lacks. */
function split({ overrides = {} }: Spacing, { lacks = [] }: Sampler): [taken: Spacing["overrides"], lacking: readonly SchedulerField[]] {
  const fields = Object.entries(overrides) as [SchedulerField, string | number | boolean][];
  const lacking = fields.map(([name]) => name).filter((name) => lacks.includes(name));
  return [Object.fromEntries(fields.filter(([name]) => !lacks.includes(name))), lacking];
}

function samplerOf(given: string): { readonly found: Sampler; readonly suffix: Spacing | undefined } {
  const word = wordOf(given);
  const exact = SAMPLERS.find(({ name, aliases }) => [name, ...aliases].some((each) => wordOf(each) === word));
  if (exact) return { found: exact, suffix: undefined };
  for (const suffix of OFFERED_SPACINGS) {
    const ending = namesOf(suffix)
      .map((each) => ` ${wordOf(each)}`)
      .find((each) => word.endsWith(each));
    const found = ending && SAMPLERS.find(({ name }) => wordOf(name) === word.slice(0, -ending.length));
    if (found) return { found, suffix };
  }
  throw refused(
    "Sampler",
    "sampler_name",
    given,
    insteadOf(
      given,
      SAMPLERS.map(({ name }) => name),
      take,
    ),
  );
}

function spacingOf(given: string): Spacing {
  const found = OFFERED_SPACINGS.find((spacing) => namesOf(spacing).some((each) => wordOf(each) === wordOf(given)));
  if (found) return found;
  const labels = OFFERED_SPACINGS.map(({ label }) => label);
  throw refused("Scheduler", "scheduler", given, insteadOf(given, labels, take));
}

function namesOf({ name, label, aliases = [] }: Spacing): readonly string[] {
  return [name, label, ...aliases];
}

function wordOf(name: string): string {
  return name
    .trim()
    .toLowerCase()
    .replace(/[\s_]+/g, " ");
}

const take = (name: string) => `take ${name}`;

/** Begins with the web UI's own words: "Sampler not found". */
function refused(kind: string, param: string, name: string, hint: string | undefined): HttpError {
  return new HttpError(400, `${kind} not found: this server has none called ${JSON.stringify(name.slice(0, 100))}`, {
    code: `${kind.toLowerCase()}_not_found`,
    param,
    hint,
  });
}
