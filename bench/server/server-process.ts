import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createWriteStream, type WriteStream } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { childrenOf, isRunning } from "../process-memory.js";
import { freePort } from "./free-port.js";
import type { RedisWorkers } from "./redis.js";

/** What a server is started with. */
export interface ServerSettings {
  /** Of its queue and pictures. Its log is there, too. */
  readonly folder: string;
  readonly apiKeys: readonly string[];
  readonly port: number;
}

/** A server's surroundings. */
export interface ServerSurroundings {
  readonly env?: NodeJS.ProcessEnv;
  /** The workers of a server that has no models itself. */
  readonly workers?: RedisWorkers;
}

/** The command of a server: the program and its arguments. */
export type ServerCommand = (settings: ServerSettings) => readonly string[];

/** So long a start may take on a busy machine, in milliseconds. */
const START_MS = 60_000;

/** A server in a process of its own, that can be killed and started again with the same folder and address. */
export class ServerProcess {
  private child: ChildProcess | undefined;
  private readonly log: WriteStream;

  private constructor(
    private readonly command: ServerCommand,
    private readonly settings: ServerSettings,
    private readonly env: NodeJS.ProcessEnv | undefined,
    readonly workers: RedisWorkers | undefined,
  ) {
    this.log = createWriteStream(join(settings.folder, "server.log"), { flags: "a" });
  }

  /** Starts a server at a port that is free, and waits until it takes jobs. */
  static async start(
    command: ServerCommand,
    settings: Omit<ServerSettings, "port">,
    { env, workers }: ServerSurroundings = {},
  ): Promise<ServerProcess> {
    const server = new ServerProcess(command, { ...settings, port: await freePort() }, env, workers);
    await server.start();
    return server;
  }

  get address(): string {
    return `http://127.0.0.1:${this.settings.port}`;
  }

  get pid(): number {
    return this.child?.pid ?? 0;
  }

  /** The processes that have models. */
  get modelPids(): readonly number[] {
    return (this.workers?.pids ?? [this.pid]).flatMap(childrenOf);
  }

  /** Starts it again with the same folder and address. */
  async start(): Promise<void> {
    const [program = "", ...args] = this.command(this.settings);
    const child = spawn(program, args, { stdio: ["ignore", "pipe", "pipe"], env: this.env });
    this.child = child;
    for (const stream of [child.stdout, child.stderr]) stream?.pipe(this.log, { end: false });
    for (const deadline = Date.now() + START_MS; !(await this.isReady()); await sleep(50)) {
      if (child.exitCode !== null || Date.now() > deadline) throw new Error(`the server did not start; ${this.log.path} says why`);
    }
  }

  /** Ends it: by SIGKILL as a crash, by SIGTERM as a person who stops it. Resolves when it and its processes with models are gone. */
  async end(signal: "SIGKILL" | "SIGTERM"): Promise<void> {
    const { child } = this;
    const children = childrenOf(this.pid);
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    child.kill(signal);
    await once(child, "exit");
    while (children.some(isRunning)) await sleep(10);
  }

  /** Ends it without waiting: with this process. */
  kill(): void {
    this.child?.kill("SIGKILL");
  }

  private async isReady(): Promise<boolean> {
    const [key] = this.settings.apiKeys;
    const headers = key === undefined ? undefined : { authorization: `Bearer ${key}` };
    try {
      return (await fetch(`${this.address}/ready`, { headers })).ok;
    } catch {
      return false;
    }
  }
}
