import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createWriteStream } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { freePort } from "./free-port.js";

/** The command of a worker: the program and its arguments. */
export type WorkerCommand = (settings: { readonly queue: string; readonly folder: string }) => readonly string[];

/** A Redis server, and workers that take jobs from it, each in a process of its own. */
export class RedisWorkers {
  private readonly workers: ChildProcess[] = [];
  private next = 0;

  private constructor(
    private readonly redis: ChildProcess,
    /** The address of the queue. */
    readonly queue: string,
    private readonly command: WorkerCommand,
    private readonly folder: string,
  ) {}

  /** @param folder of Redis's file, and of the logs and pictures of the workers */
  static async start(folder: string, command: WorkerCommand, count: number): Promise<RedisWorkers> {
    const port = await freePort();
    const options = ["--port", String(port), "--bind", "127.0.0.1", "--dir", folder, "--appendonly", "yes", "--save", ""];
    const redis = spawn("redis-server", options, { stdio: "ignore" });
    await once(redis, "spawn");
    while (!(await answers(port))) await sleep(50);
    const started = new RedisWorkers(redis, `redis://127.0.0.1:${port}`, command, folder);
    for (let i = 0; i < count; i++) started.startWorker(i);
    return started;
  }

  get pids(): readonly number[] {
    return this.workers.flatMap(({ pid }) => pid ?? []);
  }

  /** Kills one worker, each in its turn, and starts it again. @returns the process that was killed */
  async killOne(): Promise<number | undefined> {
    const index = this.next++ % this.workers.length;
    const worker = this.workers[index];
    worker?.kill("SIGKILL");
    await sleep(500);
    this.startWorker(index);
    return worker?.pid;
  }

  /** Ends everything at once. */
  kill(): void {
    for (const child of [...this.workers, this.redis]) child.kill("SIGKILL");
  }

  private startWorker(index: number): void {
    const [program = "", ...args] = this.command({ queue: this.queue, folder: this.folder });
    const worker = spawn(program, args, { stdio: ["ignore", "pipe", "pipe"] });
    const log = createWriteStream(join(this.folder, `worker-${index}.log`), { flags: "a" });
    for (const stream of [worker.stdout, worker.stderr]) stream.pipe(log, { end: false });
    this.workers[index] = worker;
  }
}

async function answers(port: number): Promise<boolean> {
  const socket = connect(port, "127.0.0.1");
  try {
    await once(socket, "connect");
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}
