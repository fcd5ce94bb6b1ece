import { HttpError } from "../http-error.js";
import type { CommonBody } from "./request.js";

/** The web UI's own scripts that always run: without arguments they do nothing. */
const HARMLESS = ["comments", "extra options", "hypertile", "sampler", "seed", "refiner", "soft inpainting"];

/** The arguments of ControlNet, one for each unit. */
export function controlNetArgs(scripts: Readonly<Record<string, unknown>> = {}): readonly unknown[] {
  const [, entry] = Object.entries(scripts).find(([name]) => name.toLowerCase() === "controlnet") ?? [];
  const args = argsOf(entry);
  if (Array.isArray(args)) return args.filter((each) => typeof each === "object" && each !== null);
  if (args === undefined) return [];
  throw new HttpError(422, "alwayson_scripts.ControlNet.args is not a list", { code: "invalid_controlnet", param: "alwayson_scripts" });
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
    if (script.toLowerCase() === "controlnet" || asksNothing(script, argsOf(entry))) continue;
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

function asksNothing(script: string, args: unknown): boolean {
  const first: unknown = Array.isArray(args) ? args[0] : args;
  if (first === undefined) return true;
  return HARMLESS.includes(script.toLowerCase()) && (first === false || first === null);
}
