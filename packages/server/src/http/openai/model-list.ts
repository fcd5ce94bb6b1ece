import type { Hono } from "hono";
import type { AppEnv, ServerContext } from "../server-context.js";
import { modelOf } from "./image-request.js";

/** OpenAI's list of models. */
export function addOpenaiModels(app: Hono<AppEnv>, server: ServerContext): void {
  // Clients sort by it; models have no date of their own here.
  const created = Math.floor(Date.now() / 1000);
  const shown = (id: string) => ({ id, object: "model", created, owned_by: "darkroom" });
  app.get("/v1/models", (c) => c.json({ object: "list", data: server.models.modelNames.map(shown) }));
  // Names of models of the hub, or of its files, can have slashes.
  app.get("/v1/models/:id{.+}", async (c) => c.json(shown((await modelOf(server, c.req.param("id"))).name)));
}
