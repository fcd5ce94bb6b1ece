import type { Job, Picture } from "../api/types.js";
import { labelFor } from "./labels.js";
import { labelOf } from "./schedulers.js";
import { durationText } from "./time-left.js";

/** Settings of a run that say nothing to people, or that are shown in another place. */
const LEFT_OUT = new Set([
  "model",
  "prompt",
  "taggedPrompt",
  "negativePrompt",
  "promptSyntax",
  "seeds",
  "width",
  "height",
  "scheduler",
  "schedulerConfig",
  "image",
  "maskImage",
  "loras",
  "embeddings",
  "controls",
  "device",
  "precision",
]);

/** What a picture was made with, by the names of the form, for people. */
export function settingsText(job: Job, picture: Picture): Record<string, string> {
  const { settings = {}, seconds } = job.result ?? {};
  const rows: [string, unknown][] = [
    ["Model", job.model],
    ["Seed", picture.seed],
    ["Size", `${picture.width} × ${picture.height}`],
  ];
  for (const [name, value] of Object.entries(settings)) {
    if (!LEFT_OUT.has(name)) rows.push([labelFor(name), value]);
  }
  const scheduler = job.request.scheduler ?? settings.scheduler;
  rows.push(
    ["Scheduler", typeof scheduler === "string" ? labelOf(scheduler) : undefined],
    ["LoRAs", namesOf(settings.loras, "name", "weight")],
    ["ControlNets", namesOf(settings.controls, "model", "scale")],
    ["Started from", settings.image === undefined ? undefined : settings.maskImage === undefined ? "a picture" : "a picture with a mask"],
    ["Time", seconds && durationText(seconds.generate)],
    ["Made", job.endedAt === undefined ? undefined : new Date(job.endedAt).toLocaleString()],
  );
  return Object.fromEntries(rows.map(([label, value]) => [label, textOf(value)]).filter(([, value]) => value !== ""));
}

function namesOf(list: unknown, name: string, weight: string): string {
  if (!Array.isArray(list)) return "";
  return list
    .map((each: Readonly<Record<string, unknown>>) => `${each[name]}${each[weight] === undefined ? "" : ` (${each[weight]})`}`)
    .join(", ");
}

function textOf(value: unknown): string {
  if (value === undefined || value === null) return "";
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}
