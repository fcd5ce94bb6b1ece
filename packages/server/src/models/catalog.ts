import type { Scheduler } from "darkroom";
import type { GenerateRequest } from "darkroom/generate";
import { type AdapterFile, adapterFiles } from "./adapter-folders.js";
import { checkSteps, ownScheduler } from "./check-steps.js";
import { describeModel, type ModelDescription } from "./describe-model.js";
import type { Offer } from "./offer.js";
import { resolveRequest } from "./resolve-request.js";

/** What the server offers, for lists and for checks of names. */
export class Catalog {
  private readonly described = new Map<string, ModelDescription>();
  private readonly schedulers = new Map<string, Scheduler>();

  constructor(readonly offer: Offer) {}

  /** The name of the default model. */
  get defaultModel(): string {
    return this.offer.models[0].name;
  }

  get modelNames(): readonly string[] {
    return this.offer.models.map(({ name }) => name);
  }

  get vaeNames(): readonly string[] {
    return this.offer.vaes.map(({ name }) => name);
  }

  get controlnetNames(): readonly string[] {
    return this.offer.controlnets.map(({ name }) => name);
  }

  get upscalerNames(): readonly string[] {
    return this.offer.upscalers.map(({ name }) => name);
  }

  hasModel(name: string): boolean {
    return this.modelNames.includes(name);
  }

  /** The models in the order in which they were given. */
  async models(): Promise<ModelDescription[]> {
    const all: ModelDescription[] = [];
    for (const name of this.modelNames) all.push((await this.model(name)) ?? { name, state: "unreadable" });
    return all;
  }

  /** One model; undefined if there is none of this name. A readable model is read once. */
  async model(name: string): Promise<ModelDescription | undefined> {
    const known = this.described.get(name);
    const entry = this.offer.models.find((each) => each.name === name);
    if (known || !entry) return known;
    const description = await describeModel(entry, this.offer.runtime);
    if (description.state === "ready") this.described.set(name, description);
    return description;
  }

  /** Checks that everything a request names is offered, and that its scheduler can take its steps. @throws ArgumentError */
  async check(model: string, request: GenerateRequest): Promise<void> {
    await resolveRequest(model, request, this.offer);
    const scheduler = request.numInferenceSteps === undefined ? undefined : await this.scheduler(model);
    if (scheduler) checkSteps(request, scheduler);
  }

  /** A model's own scheduler, read once. A model that is downloaded later has one from then on. */
  private async scheduler(name: string): Promise<Scheduler | undefined> {
    const known = this.schedulers.get(name);
    const entry = this.offer.models.find((each) => each.name === name);
    if (known || !entry) return known;
    const { scheduler: className } = (await this.model(name)) ?? {};
    const found = className === undefined ? undefined : await ownScheduler(entry.source, className, this.offer.runtime.cacheDir);
    if (found) this.schedulers.set(name, found);
    return found;
  }

  /** The LoRAs in the server's folders as they are now. */
  loras(): Promise<readonly AdapterFile[]> {
    return adapterFiles(this.offer.loraFolders);
  }

  /** The embeddings in the server's folders as they are now. */
  embeddings(): Promise<readonly AdapterFile[]> {
    return adapterFiles(this.offer.embeddingFolders);
  }
}
