import * as v from "valibot";
import type { ModelIndex } from "../checkpoint/model-index.js";
import { withArticle, wrongArgument } from "../given.js";
import { checkOptions } from "../options/check-options.js";
import { type Field, type Fields, optional } from "../options/fields.js";
import { schedulerField } from "../schedulers/registry.js";
import { warn } from "../warnings.js";
import { DiffusionPipeline } from "./diffusion-pipeline.js";
import type { PipelineClass } from "./pipeline-classes.js";
import { ComponentSource } from "./shared/components.js";

/** A pipeline of class `made` with the parts of another pipeline, except those in `given`. The networks are not loaded again. */
export async function pipelineFromPipe(
  made: PipelineClass<DiffusionPipeline, object>,
  other: DiffusionPipeline,
  given: object,
  call = `${made.className}.fromPipe`,
): Promise<DiffusionPipeline> {
  if (!(other instanceof DiffusionPipeline)) throw wrongArgument("pipe", other, "a pipeline");
  const fields = made.parts as Readonly<Record<string, Field<unknown>>>;
  // null is accepted for a part that this pipeline never has.
  const asked = Object.fromEntries(Object.entries(given).filter(([name, value]) => value !== null || name in fields));
  const checked = checkOptions<object>(
    asked,
    { ...(optional(made.parts) as Fields<object>), ...made.options, ...{ scheduler: schedulerField } } as Fields<object>,
    { call },
  );
  const { scheduler, ...parts } = checked as { readonly scheduler?: unknown };
  const named = typeof scheduler === "string" ? scheduler : undefined;
  const brought = { ...parts, ...(scheduler !== undefined && named === undefined && { scheduler }) };
  const inherited = Object.entries(other.components).flatMap(([name, part]) => {
    const field = fields[name];
    if (!field || name in brought) return [];
    if (v.is(field, part)) return [[name, part] as const];
    if (part !== null)
      warn(`${name} of the ${other.className} does not fit into ${withArticle(made.className)}, which needs ${field.expected}`);
    return [];
  });
  const source = other.sharedSource(made.className) ?? new ComponentSource(made.className, undefined);
  try {
    expectComplete(made.className, { ...fields, ...made.options }, { ...Object.fromEntries(inherited), ...brought }, call);
    const pipe = await made.open(source, indexOf(made, other), withoutAbsent({ ...Object.fromEntries(inherited), ...brought }, fields));
    if (named !== undefined) pipe.scheduler = named;
    return pipe;
  } catch (error) {
    await source.dispose();
    throw error;
  }
}

/** The settings of another pipeline, as `model_index.json` would have them. */
function indexOf({ className }: PipelineClass<DiffusionPipeline, object>, other: DiffusionPipeline): ModelIndex {
  return { className, diffusersVersion: undefined, components: new Map(), options: other.indexOptions };
}

/** @throws ArgumentError if a needed part is missing. */
function expectComplete(className: string, fields: Readonly<Record<string, Field<unknown>>>, parts: object, call: string): void {
  const needed = Object.entries(fields).map(([name, field]) => {
    const hint = `the other pipeline has none; give it: ${className}.fromPipe(pipe, { ${name} })`;
    return [name, { ...field, ...(field.needed !== undefined && { needed: hint }) }] as const;
  });
  checkOptions(parts, Object.fromEntries(needed) as Fields<object>, { call });
}

/** Absent parts as null, so that they are not loaded from the other pipeline's checkpoint. */
function withoutAbsent(parts: Readonly<Record<string, unknown>>, fields: object): object {
  const names = Object.keys(fields).filter((name) => parts[name] === undefined && name !== "featureExtractor");
  return { ...Object.fromEntries(names.map((name) => [name, null])), ...parts };
}
