import { createHash } from "node:crypto";
import type { Hono } from "hono";
import { serverAddress } from "../picture-address.js";
import type { AppEnv, ServerContext } from "../server-context.js";
import { docsPage, STYLES } from "./docs-page.js";
import { openApiDocument } from "./document.js";

/** The page has no scripts. Its styles are allowed by their hash. */
const POLICY = [
  "default-src 'none'",
  `style-src 'sha256-${createHash("sha256").update(STYLES).digest("base64")}'`,
  "frame-ancestors 'none'",
  "base-uri 'none'",
  "form-action 'none'",
].join("; ");

/** The OpenAPI document, and the page made from it. */
export function addDocs(app: Hono<AppEnv>, server: ServerContext): void {
  const document = openApiDocument(server);
  app.get("/openapi.json", (c) => c.json(document));
  app.get("/docs", (c) => c.html(docsPage(document, serverAddress(c)), 200, { "content-security-policy": POLICY }));
}
