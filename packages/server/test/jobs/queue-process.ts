import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const PROGRAM = fileURLToPath(new URL("queue-program.ts", import.meta.url));

/** A process of its own that has the queue, submits and runs jobs, and prints what it did: see queue-program.ts. */
export class QueueProcess {
  readonly lines: string[] = [];
  readonly #child: ChildProcess;
  readonly #ended: Promise<unknown>;
  #wake = () => {};

  constructor(path: string, owner: string) {
    this.#child = spawn(process.execPath, ["--import", "tsx", PROGRAM, path, owner], { stdio: ["ignore", "pipe", "inherit"] });
    this.#ended = once(this.#child, "close");
    const { stdout } = this.#child;
    if (stdout === null) throw new Error("the process has no output");
    createInterface(stdout).on("line", (line) => {
      if (line.endsWith(".")) this.lines.push(line.slice(0, -1));
      this.#wake();
    });
    this.#ended.then(() => this.#wake());
  }

  /** The first line that starts so. */
  async line(start: string): Promise<string> {
    await this.until(() => this.lines.some((line) => line.startsWith(start)));
    return this.lines.find((line) => line.startsWith(start)) ?? "";
  }

  async until(condition: () => boolean): Promise<void> {
    while (!condition()) {
      if (this.#child.exitCode !== null) throw new Error(`the process ended after: ${this.lines.join(", ")}`);
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  /** Resolves when it has ended, and all that it printed was read. */
  async kill(): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.#ended;
  }
}

export function startQueueProcess(path: string, owner = "ann"): QueueProcess {
  return new QueueProcess(path, owner);
}
