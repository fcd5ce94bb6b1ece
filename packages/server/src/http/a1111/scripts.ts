import { HttpError } from "../http-error.js";
import type { CommonBody } from "./request.js";

/** The web UI's own scripts that always run: without arguments they do nothing. */
const HARMLESS = ["comments", "extra options", "hypertile", "sampler", "seed", "refiner", "soft inpainting"];

/** The arguments of ControlNet, one for each unit. */
export function controlNetArgs(scripts: Readonly<Record<string, unknown>> = {}): readonly unknown[] {
  const [, entry] = Object.entries(scripts).find(([name]) => name.toLowerCase() === "controlnet") ?? [];
  const args = argsOf(entry);
  if (Array.isArray(args)) return args.filter(isUnit);
  if (args === undefined) return [];
  throw new HttpError(422, "alwayson_scripts.ControlNet.args is not a list", { code: "invalid_controlnet", param: "alwayson_scripts" });
}

/** Clients fill up the list with null, and old ones begin it with true or false. @throws HttpError for what is no unit */
function isUnit(value: unknown, index: number): boolean {
  if (value === null || typeof value === "boolean") return false;
  if (typeof value === "object" && !Array.isArray(value)) return true;
  throw new HttpError(
    422,
    `alwayson_scripts.ControlNet.args[${index}] is ${JSON.stringify(value).slice(0, 60)}; expected a unit: an object`,
    {
      code: "invalid_controlnet",
      param: "alwayson_scripts",
    },
  );
}

/** @throws HttpError for a script that the server does not have, in the web UI's words */
export function refuseScripts({ script_name: name, alwayson_scripts: scripts = {} }: CommonBody): void {
  if (name !== undefined && !/^(none|)$/i.test(name)) {
    throw new HttpError(422, `Script ${JSON.stringify(name.slice(0, 100))} not found: this server has no scripts`, {
      code: "script_not_found",
      param: "script_name",
    });
  }
  for (const [script, entry] of Object.entries(scripts)) {
    if (script.toLowerCase() === "controlnet" || asksNothing(script, entry)) continue;
    throw new HttpError(422, `always on script ${script.slice(0, 100)} not found: this server has only ControlNet`, {
      code: "script_not_found",
      param: "alwayson_scripts",
      hint: `leave it out of alwayson_scripts`,
    });
  }
}

function argsOf(entry: unknown): unknown {
  return typeof entry === "object" && entry !== null && "args" in entry ? (entry.args ?? undefined) : undefined;
}

/** Programs send scripts that they know with an empty list of arguments where they ask nothing of them. */
function asksNothing(script: string, entry: unknown): boolean {
  const args = argsOf(entry);
  const isHarmless = HARMLESS.includes(script.toLowerCase());
  const first: unknown = Array.isArray(args) ? args[0] : args;
  if (first === undefined) return isHarmless || Array.isArray(args);
  return isHarmless && (first === false || first === null);
}
