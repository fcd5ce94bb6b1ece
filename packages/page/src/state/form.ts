import { computed, effect, signal } from "@preact/signals";
import type { Job } from "../api/types.js";
import { abilitiesOf, startKind } from "../logic/abilities.js";
import { EMPTY_FIELDS, type Fields, parseFields } from "../logic/fields.js";
import { type Problem, problemOf } from "../logic/problem.js";
import { againOf, FieldProblem, randomSeed, requestOf } from "../logic/request.js";
import { type Reused, reuse } from "../logic/reuse.js";
import type { Size } from "../logic/sizes.js";
import { addJob, ended } from "./jobs.js";
import { keep, readKept } from "./pictures.js";
import { client, offer } from "./server.js";
import { read, write } from "./storage.js";

/** A picture to start from, with the mask that was drawn on it. */
export interface Start extends Size {
  readonly image: Blob;
  /** White where to repaint. */
  readonly mask?: Blob | undefined;
}

export const fields = signal<Fields>(parseFields(read("fields")));
effect(() => write("fields", JSON.stringify(fields.value)));

export const start = signal<Start | undefined>(undefined);

/** What the ControlNet follows. */
export const control = signal<Blob | undefined>(undefined);

/** Pictures that were chosen before the page was loaded again, unless there are others already. */
void Promise.all([readKept("start"), readKept("control")]).then(([keptStart, keptControl]) => {
  if (!start.value && isStart(keptStart)) start.value = keptStart;
  if (!control.value && keptControl instanceof Blob) control.value = keptControl;
  effect(() => void keep("start", start.value));
  effect(() => void keep("control", control.value));
});

/** What the server or the form has against the fields. */
export const problem = signal<Problem | undefined>(undefined);

export const isSending = signal(false);

/** The pictures that jobs of this page started from: the server does not keep them. */
const startsOfJobs = new Map<string, Start>();

export const model = computed(() => {
  const name = fields.value.model === "" ? offer.value?.default : fields.value.model;
  return offer.value?.models.find((each) => each.name === name);
});

export const abilities = computed(() => abilitiesOf(model.value));

/** What the next picture starts from. */
export const kind = computed(() => startKind(start.value !== undefined, start.value?.mask !== undefined));

/** The model's defaults for it. */
export const defaults = computed(() => abilities.value.defaults[kind.value]);

/** The seed of the newest picture. */
export const lastSeed = computed(() => ended.value?.find(({ result }) => result)?.result?.pictures[0]?.seed);

export function setFields(changes: Partial<Fields>): void {
  fields.value = { ...fields.value, ...changes };
  const { param } = problem.value ?? {};
  if (param !== undefined && Object.keys(changes).some((name) => param.startsWith(name))) problem.value = undefined;
}

export function resetFields(): void {
  const { model, prompt, negativePrompt } = fields.value;
  fields.value = { ...EMPTY_FIELDS, model, prompt, negativePrompt };
  problem.value = undefined;
}

const NO_PICTURE: Problem = {
  message: "This file is not a picture that can be read.",
  hint: "Take a PNG, JPEG, WebP, GIF or AVIF file.",
};

/** Starts from a picture, whatever it is called. */
export async function startFrom(image: Blob): Promise<void> {
  try {
    start.value = { image, ...(await sizeOf(image)) };
    if (problem.value?.param === "image" || problem.value?.param === "maskImage") problem.value = undefined;
  } catch {
    problem.value = { ...NO_PICTURE, param: "image" };
  }
}

/** Takes a picture for the ControlNet. */
export async function controlFrom(image: Blob): Promise<void> {
  try {
    await sizeOf(image);
    control.value = image;
    if (problem.value?.param === "controlImage") problem.value = undefined;
  } catch {
    problem.value = { ...NO_PICTURE, param: "controlImage" };
  }
}

/** Starts from a finished picture. @throws ApiError @throws ConnectionLost */
export async function startFromMade(id: string): Promise<void> {
  const reply = await client.fetch(`files/${id}`, { cache: "default" });
  await startFrom(await reply.blob());
}

/** Sends the form. Returns whether the server took it. */
export async function make(): Promise<boolean> {
  if (isSending.value) return false;
  return send(async () => {
    const given = start.value;
    const maskDataUrl = given?.mask && (await dataUrlOf(given.mask));
    const picture = given && { width: given.width, height: given.height, dataUrl: await dataUrlOf(given.image), maskDataUrl };
    const controlDataUrl = control.value && fields.value.controlnet !== "" ? await dataUrlOf(control.value) : undefined;
    checkNames();
    const job = await client.submit(requestOf(fields.value, model.value, picture, controlDataUrl));
    if (given && abilities.value.takesPicture) startsOfJobs.set(job.id, given);
    return job;
  });
}

/** Makes a job's pictures again with another seed. */
export function makeAgain(job: Job): Promise<boolean> {
  return send(() => client.submit(againOf(job, randomSeed())));
}

/** Takes a job's settings, and what it started from if this page knows that. */
export function reuseJob(job: Job, index?: number): Reused["missing"] {
  const { fields: used, missing } = reuse(job, index);
  fields.value = used;
  problem.value = undefined;
  const known = startsOfJobs.get(job.id);
  if (known) start.value = known;
  else if (missing.length === 0) start.value = undefined;
  return known ? missing.filter((each) => each === "control picture") : missing;
}

async function send(submit: () => Promise<Job>): Promise<boolean> {
  isSending.value = true;
  problem.value = undefined;
  try {
    addJob(await submit());
    return true;
  } catch (error) {
    problem.value = problemOf(error);
    return false;
  } finally {
    isSending.value = false;
  }
}

/** Names in stored fields, or in those of an old job, that the server does not offer any longer. */
function checkNames(): void {
  const { model: name, loras, controlnet } = fields.value;
  if (!offer.value) return;
  if (name !== "" && !model.value) throw new FieldProblem("model", `The server has no model ${name} any longer.`);
  const lost = loras.find((lora) => !offer.value?.loras.includes(lora.name));
  if (lost && abilities.value.takesPrompt) throw new FieldProblem("loras", `The server has no LoRA ${lost.name} any longer.`);
  if (controlnet !== "" && abilities.value.takesControl && !offer.value.controlnets.includes(controlnet)) {
    throw new FieldProblem("controlnet", `The server has no ControlNet ${controlnet} any longer.`);
  }
}

function isStart(kept: unknown): kept is Start {
  return typeof kept === "object" && kept !== null && "image" in kept && kept.image instanceof Blob && "width" in kept && "height" in kept;
}

async function sizeOf(image: Blob): Promise<Size> {
  const bitmap = await createImageBitmap(image);
  const { width, height } = bitmap;
  bitmap.close();
  return { width, height };
}

function dataUrlOf(blob: Blob): Promise<string> {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(String(reader.result));
    reader.onerror = () => reject(reader.error);
    reader.readAsDataURL(blob);
  });
}
