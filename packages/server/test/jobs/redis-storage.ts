import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { connect, createServer, type Server, type Socket } from "node:net";
import { Redis } from "ioredis";
import type { Jobs, JobsOptions } from "../../src/index.js";
import { openRedisJobs } from "../../src/jobs/redis/redis-jobs.js";
import type { JobsStorage } from "./conformance.js";
import type { RedisServer } from "./redis-server.js";

/** Runs without a sign of life end soon, since tests wait for that, but not when a busy machine lets this process wait a second. */
export const LEASE = { lockDuration: 3000, stalledInterval: 200 };

/** A queue on a server of Redis that others use, too. Cutting its connections is what `kill -9` of its process looks like from there. */
export class RedisStorage implements JobsStorage {
  readonly #server: RedisServer;
  readonly #prefix = randomUUID();
  readonly #cables: Cable[] = [];
  readonly #open = new Set<Jobs>();

  constructor(server: RedisServer) {
    this.#server = server;
  }

  async open({ onError, ...options }: JobsOptions = {}): Promise<Jobs> {
    const cable = await Cable.plug(this.#server.port);
    const wasKilled = this.#cables.length > 0 && this.#cables.every(({ isCut }) => isCut);
    this.#cables.push(cable);
    const jobs = await openRedisJobs(cable.address, {
      ...options,
      ...LEASE,
      prefix: this.#prefix,
      // What a killed process would say is not heard.
      onError: (error) => void (cable.isCut || onError?.(error)),
    });
    this.#open.add(jobs);
    if (wasKilled) await this.#recovered(jobs);
    return jobs;
  }

  /** Redis knows of a kill when locks run out. Each job that waits is then in a queue of BullMQ's again. */
  async #recovered(jobs: Jobs): Promise<void> {
    const redis = new Redis(this.#server.address);
    try {
      for (;;) {
        const { running, waiting } = await jobs.count();
        let given = 0;
        for (const key of await redis.keys(`{${this.#prefix}}:model-*:wait`)) given += await redis.llen(key);
        for (const key of await redis.keys(`{${this.#prefix}}:model-*:prioritized`)) given += await redis.zcard(key);
        if (running === 0 && given === waiting) return;
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    } finally {
      redis.disconnect();
    }
  }

  async kill(): Promise<void> {
    await Promise.all(this.#cables.map((cable) => cable.cut()));
    for (const jobs of this.#open) void jobs.close();
    this.#open.clear();
  }

  async dispose(): Promise<void> {
    await Promise.all([...this.#open].map((jobs) => jobs.close()));
    await this.kill();
  }
}

/** Forwards connections until it is cut. */
class Cable {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  isCut = false;

  private constructor(port: number) {
    this.#server = createServer((socket) => {
      const other = connect(port, "127.0.0.1");
      for (const [from, to] of [
        [socket, other],
        [other, socket],
      ] as const) {
        this.#sockets.add(from);
        from.setNoDelay(true);
        from.pipe(to);
        from.on("error", () => to.destroy());
        from.on("close", () => {
          this.#sockets.delete(from);
          to.destroy();
        });
      }
    });
  }

  static async plug(port: number): Promise<Cable> {
    const cable = new Cable(port);
    cable.#server.listen(0, "127.0.0.1");
    await once(cable.#server, "listening");
    return cable;
  }

  get address(): string {
    const address = this.#server.address();
    return `redis://127.0.0.1:${typeof address === "object" ? address?.port : ""}`;
  }

  async cut(): Promise<void> {
    if (this.isCut) return;
    this.isCut = true;
    const closed = once(this.#server, "close");
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }
}
