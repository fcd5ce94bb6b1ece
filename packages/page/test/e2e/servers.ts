import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import { type ServerOptions, startServer } from "../../../server/src/index.js";

/** A job as the server's API shows it. */
export interface ShownJob {
  readonly id: string;
  readonly state: string;
  readonly request: Readonly<Record<string, unknown>>;
  readonly result?: { readonly pictures: readonly { readonly url: string; readonly seed: string }[] };
}

/** A server with the embedded checkpoint and its page, until the test ends. */
export async function serve(options: Partial<ServerOptions> = {}) {
  const folder = await mkdtemp(join(tmpdir(), "darkroom-page-"));
  const start = (port: number) => startServer({ offer: { runtime: { device: "cpu" } }, ...options, folder, port });
  let server = await start(options.port ?? 0);
  onTestFinished(async () => {
    await server.close();
    await rm(folder, { recursive: true, force: true });
  });
  const { address, port } = server;
  const call = (path: string, { key, ...init }: RequestInit & { key?: string | undefined } = {}) =>
    fetch(`${address}${path}`, { ...init, headers: key === undefined ? {} : { authorization: `Bearer ${key}` } });
  return {
    address,
    call,
    /** The server's jobs, newest first. */
    jobs: async (key?: string) => ((await (await call("/api/jobs", { key })).json()) as { jobs: ShownJob[] }).jobs,
    submit: async (request: object, key?: string) => {
      const reply = await call("/api/jobs", { method: "POST", body: JSON.stringify(request), key });
      return (await reply.json()) as ShownJob;
    },
    /** Resolves when a job has ended. */
    ended: async (id: string, key?: string) => {
      await (await call(`/api/jobs/${id}/events`, { key })).text();
      return (await (await call(`/api/jobs/${id}`, { key })).json()) as ShownJob;
    },
    stop: () => server.close(),
    /** Starts again after `stop`, at the same address and with the same folder. */
    startAgain: async () => {
      server = await start(port);
    },
  };
}

export type TestServer = Awaited<ReturnType<typeof serve>>;
