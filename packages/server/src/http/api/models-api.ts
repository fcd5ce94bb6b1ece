import { schedulerNames } from "darkroom";
import type { Hono } from "hono";
import type { AppEnv, ServerContext } from "../server-context.js";

/** Everything that requests to our API can name. */
export function addModelsApi(app: Hono<AppEnv>, { jobs, models, limits }: ServerContext): void {
  app.get("/api/models", async (c) => {
    const names = (files: readonly { readonly name: string }[]) => files.map(({ name }) => name);
    const [described, slots] = await Promise.all([models.models(), jobs.slots(models.modelNames)]);
    return c.json({
      default: models.defaultModel,
      models: described.map((model) => ({ ...model, slots: slots.get(model.name) ?? 0 })),
      vaes: models.vaeNames,
      controlnets: models.controlnetNames,
      upscalers: models.upscalerNames,
      loras: names(await models.loras()),
      embeddings: names(await models.embeddings()),
      schedulers: schedulerNames(),
      limits,
    });
  });
}
