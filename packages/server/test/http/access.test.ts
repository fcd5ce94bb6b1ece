import { describe, expect, it } from "vitest";
import { Access } from "../../src/http/access.js";
import { testServer } from "./test-server.js";

function ask(options: Parameters<typeof testServer>[0], headers: Record<string, string>, path = "/nothing"): Promise<Response> {
  return Promise.resolve(testServer(options).app.request(`http://127.0.0.1:7860${path}`, { headers }));
}

describe("access by Host", () => {
  it.each(["localhost:7860", "127.0.0.1", "[::1]:7860", "LOCALHOST"])("lets %s in on loopback", async (host) => {
    expect((await ask({}, { host })).status).toBe(404);
  });

  it.each(["evil.example", "127.0.0.1.evil.example", "192.168.1.5", "localhost@evil.example", "a:b:c", ""])(
    "refuses %j on loopback, which a page can point at this machine",
    async (host) => {
      expect(new Access().allowsHost(host)).toBe(false);
    },
  );

  it("answers 403 to a page that rebound its name", async () => {
    const reply = await ask({}, { host: "evil.example:7860" });
    expect(reply.status).toBe(403);
    expect(await reply.json()).toMatchObject({ error: { code: "host_not_allowed" } });
  });

  it("lets a given name in, and addresses where the server is not local", () => {
    const access = new Access({ host: "0.0.0.0", apiKeys: ["k"], allowedHosts: ["Images.example.com"] });
    expect(["images.example.com", "10.0.0.7:7860", "[fe80::1]:80"].map((host) => access.allowsHost(host))).toEqual([true, true, true]);
    expect(access.allowsHost("other.example.com")).toBe(false);
  });
});

describe("names that are allowed", () => {
  it("can have a port, or be all", () => {
    expect(new Access({ allowedHosts: ["images.example.com:8080"] }).allowsHost("images.example.com")).toBe(true);
    expect(new Access({ allowedHosts: ["*"] }).allowsHost("images.example.com")).toBe(true);
  });

  it.each(["https://images.example.com", "images.example.com/", "*.example.com/x", ""])("are not %j, which no Host header is", (name) => {
    expect(() => new Access({ allowedHosts: [name] })).toThrow("expected a name or an address only");
  });

  it.each(["chat.example.com", "https://chat.example.com/page", "*", "null", ""])("are not the origin %j, which no page has", (origin) => {
    expect(() => new Access({ allowedOrigins: [origin] })).toThrow("expected scheme and name without a path");
  });
});

describe("access by Origin", () => {
  it("lets the server's own pages in", async () => {
    expect((await ask({}, { host: "localhost:7860", origin: "http://localhost:7860" })).status).toBe(404);
  });

  it.each(["https://evil.example", "null", "http://localhost:3000"])("refuses pages of %s", async (origin) => {
    const reply = await ask({}, { host: "localhost:7860", origin });
    expect(reply.status).toBe(403);
    expect(reply.headers.get("access-control-allow-origin")).toBeNull();
  });

  it("lets an allowed origin read, never with credentials", async () => {
    const access = { allowedOrigins: ["https://chat.example"] };
    const { app } = testServer({ access });
    const headers = { host: "localhost", origin: "https://chat.example" };
    const reply = await app.request("/nothing", { headers });
    expect(reply.headers.get("access-control-allow-origin")).toBe("https://chat.example");
    const preflight = await app.request("/v1/images/generations", { method: "OPTIONS", headers });
    expect(preflight.status).toBe(204);
    for (const each of [reply, preflight]) expect(each.headers.get("access-control-allow-credentials")).toBeNull();
  });
});

describe("access by key", () => {
  const access = { apiKeys: ["first", "second"] };
  const basic = (text: string) => `Basic ${Buffer.from(text).toString("base64")}`;

  it.each(["Bearer first", "bearer second", basic("anybody:second"), basic(":first")])("lets %s in", async (authorization) => {
    expect((await ask({ access }, { authorization })).status).toBe(404);
  });

  it.each(["Bearer third", "Bearer firs", "Bearer", "first", basic("first"), basic("first:"), "Basic Og=="])(
    "refuses %s",
    async (authorization) => {
      const reply = await ask({ access }, { authorization });
      expect(reply.status).toBe(401);
      expect(reply.headers.get("www-authenticate")).toBe('Bearer realm="darkroom"');
    },
  );

  it.each(["/", "/health", "/docs", "/files/0123456789abcdef"])("needs one to post to %s, which may be read without", async (path) => {
    const { app, jobs } = testServer({ access });
    const url = `http://localhost${path}`;
    expect((await app.request(url)).status).not.toBe(401);
    expect((await app.request(url, { method: "POST", body: JSON.stringify({ inputs: "x" }) })).status).toBe(401);
    expect(jobs.all).toEqual([]);
  });

  it("has no key in an owner's name", () => {
    const owner = new Access(access).ownerOf("Bearer first");
    expect(owner).toMatch(/^key:[0-9a-f]{16}$/);
    expect(owner).not.toBe(new Access(access).ownerOf("Bearer second"));
  });
});

it("every reply has the headers of safety, errors too", async () => {
  const { headers } = await ask({}, {});
  expect(headers.get("x-content-type-options")).toBe("nosniff");
  expect(headers.get("content-security-policy")).toContain("default-src 'none'");
});
