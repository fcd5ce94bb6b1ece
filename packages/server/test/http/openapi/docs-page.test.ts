import { createHash } from "node:crypto";
import { expect, it } from "vitest";
import { docsPage } from "../../../src/http/openapi/docs-page.js";
import { testServer } from "../test-server.js";
import { DOCUMENT } from "./schemas.js";

async function page(headers: Record<string, string> = {}) {
  const { app } = testServer({ access: { apiKeys: ["k"] } });
  const reply = await app.request("http://127.0.0.1:7860/docs", { headers });
  return { reply, text: await reply.text() };
}

it("the page shows every route with a call that works from a shell, and needs no key", async () => {
  const { reply, text } = await page();
  expect([reply.status, reply.headers.get("content-type")]).toEqual([200, "text/html; charset=UTF-8"]);
  for (const path of Object.keys(DOCUMENT.paths)) expect(text).toContain(`curl &#39;http://127.0.0.1:7860${path}&#39;`);
  for (const name of Object.keys(DOCUMENT.components.schemas)) expect(text).toContain(`id="schema-${name}"`);
});

it("the page has no scripts and nothing of other servers, and its policy allows its own styles only", async () => {
  const { reply, text } = await page();
  expect(text).not.toMatch(/<script|<link|<img|\son\w+=|style=/i);
  const [, styles = ""] = /<style>(.*?)<\/style>/s.exec(text) ?? [];
  const policy = reply.headers.get("content-security-policy") ?? "";
  expect(policy).toContain(`style-src 'sha256-${createHash("sha256").update(styles).digest("base64")}'`);
  expect(policy).toContain("default-src 'none'");
  expect(policy).not.toContain("unsafe");
  for (const [, target = ""] of text.matchAll(/href="#([^"]*)"/g)) expect(text).toContain(`id="${target}"`);
});

it("the page escapes everything", () => {
  const evil = `<script>alert("1")</script>'`;
  const document = {
    info: { title: evil, version: evil, description: evil },
    tags: [{ name: evil, description: evil }],
    paths: {
      [evil]: {
        get: {
          tags: [evil],
          summary: evil,
          description: evil,
          parameters: [{ name: evil, in: evil, required: false, description: evil, schema: { type: evil } }],
          requestBody: { required: true, content: { "application/json": { schema: { enum: [evil] }, example: { evil } } } },
          responses: { 200: { description: evil, content: { [evil]: { schema: { const: evil } } } } },
        },
      },
    },
    components: { schemas: { [evil]: { type: "object", properties: { [evil]: { description: evil, $ref: `#/a/${evil}` } } } } },
  };
  const text = String(docsPage(document, `http://${evil}`));
  expect(text).not.toMatch(/<script|alert\("/);
  expect(text.match(/&lt;script/g)?.length).toBeGreaterThan(15);
});
