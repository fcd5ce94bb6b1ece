import { describe, expect, it } from "vitest";
import { serveApp, testServer } from "./test-server.js";

const PROMPT = 'Content-Disposition: form-data; name="prompt"\r\n\r\na fox';

async function send(parts: readonly string[], { end = "--\r\n", path = "/v1/images/generations" } = {}) {
  const server = testServer();
  const body = `${parts.map((part) => `--XX\r\n${part}\r\n`).join("")}--XX${end}`;
  const headers = { "content-type": "multipart/form-data; boundary=XX" };
  const reply = await fetch(`${await serveApp(server.app)}${path}`, { method: "POST", headers, body });
  return { ...server, status: reply.status, body: (await reply.json()) as { error?: { message: string } } };
}

// An exception in an event's handler would be no reply but an unhandled error, which fails the run of these tests.
describe("a form", () => {
  it.each([
    ["Content-Disposition: form-data\r\n\r\na", "part 2 has no name"],
    ["Content-Disposition: form-data;\r\n\r\na", "part 2 has no name"],
    ['Content-Disposition: form-data; filename="fox.png"\r\n\r\na', 'part 2, the file "fox.png", has no name'],
    ["Content-Disposition: form-data; filename=\r\nContent-Type: image/png\r\n\r\na", "part 2"],
    ["Content-Disposition: form-data\r\nContent-Type: application/octet-stream\r\n\r\na", "part 2 has no name"],
  ])("is refused with a part like %j", async (part, message) => {
    for (const path of ["/v1/images/generations", "/v1/images/edits", "/v1/images/variations"]) {
      for (const parts of [
        [PROMPT, part],
        [PROMPT, part, PROMPT, part],
      ]) {
        const { status, body, errors, jobs } = await send(parts, { path });
        expect([status, errors, jobs.all]).toEqual([400, [], []]);
        expect(body.error?.message).toContain(message);
      }
    }
  });

  it.each([
    "Content-Type: a; charset=%",
    "Content-Type: text/plain; charset*=x''%",
    "Content-Transfer-Encoding: ",
    "Content-Type: ",
    ":",
    "x",
  ])("with a header like %j in a part has a reply", async (header) => {
    for (const end of ["--\r\n", "", "-", "\r\nContent-"]) {
      const { status, errors } = await send([`${header}\r\n${PROMPT}`, `${PROMPT}\r\n${header}`], { end });
      expect(status).toBeLessThan(500);
      expect(errors).toEqual([]);
    }
  });

  it.each(["", "--", "--XX", "--XX--", "--XX\r\n", "--XX\r\n\r\n", "--XX\r\n\r\n--XX--", `--XX\r\n${PROMPT}`])(
    "that is only %j has a reply",
    async (body) => {
      const { app, errors } = testServer();
      const headers = { "content-type": "multipart/form-data; boundary=XX" };
      const reply = await fetch(`${await serveApp(app)}/v1/images/edits`, { method: "POST", headers, body });
      expect([reply.status, errors]).toEqual([400, []]);
    },
  );
});
