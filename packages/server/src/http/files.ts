import type { Hono } from "hono";
import { HttpError } from "./http-error.js";
import type { AppEnv, ServerContext } from "./server-context.js";

/** Pictures by their random names, which stand for a key: whoever has one may see the picture. */
export function addFiles(app: Hono<AppEnv>, { jobs, results }: ServerContext): void {
  app.get("/files/:id", async (c) => {
    const id = c.req.param("id");
    // The name is looked up among the jobs' pictures; no path is ever made of it.
    const picture = /^[\w-]{16,64}$/.test(id) ? await jobs.picture(id) : undefined;
    const data = picture && (await results.get(picture.hash));
    if (!picture || !data) throw new HttpError(404, "there is no such picture", { code: "not_found" });
    return c.body(data, 200, {
      "content-type": picture.type,
      "content-disposition": `inline; filename="${id}.${picture.type.slice("image/".length)}"`,
      // Its bytes never change, and its name is a secret between the server and one caller.
      "cache-control": "private, max-age=31536000, immutable",
    });
  });
}
