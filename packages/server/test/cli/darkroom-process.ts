import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { onTestFinished } from "vitest";

/** The built program. */
const MAIN = fileURLToPath(new URL("../../../../dist/bundle/node/cli.js", import.meta.url));

/** A folder that is removed after the test. */
export async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "darkroom-cli-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

/** `darkroom serve` or `darkroom worker` as a process, with what it printed. It is killed after the test. */
export class DarkroomProcess {
  stdout = "";
  stderr = "";
  /** Resolves with the exit code, or the signal that ended it. */
  readonly ended: Promise<number | NodeJS.Signals>;
  readonly #child: ChildProcess;

  constructor(args: readonly string[], env: Readonly<Record<string, string>> = {}) {
    const child = spawn(process.execPath, [MAIN, ...args], { env: { ...process.env, ...env }, stdio: ["ignore", "pipe", "pipe"] });
    child.stdout.setEncoding("utf8").on("data", (text: string) => (this.stdout += text));
    child.stderr.setEncoding("utf8").on("data", (text: string) => (this.stderr += text));
    this.#child = child;
    this.ended = once(child, "close").then(([code, signal]) => code ?? signal);
    onTestFinished(() => this.kill("SIGKILL").then(() => undefined));
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  kill(signal: NodeJS.Signals): Promise<number | NodeJS.Signals> {
    this.signal(signal);
    return this.ended;
  }

  /** Resolves with what a pattern found in the output, which may come later. */
  async prints(pattern: RegExp): Promise<RegExpExecArray> {
    for (;;) {
      const found = pattern.exec(this.stdout + this.stderr);
      if (found) return found;
      const hasEnded = await Promise.race([this.ended.then(() => true), new Promise((resolve) => setTimeout(resolve, 20, false))]);
      if (hasEnded && !pattern.test(this.stdout + this.stderr))
        throw new Error(`it ended without ${pattern}: ${this.stdout}${this.stderr}`);
    }
  }
}

/** A server on a free port, when it listens. */
export async function serve(folder: string, args: readonly string[] = [], env: Readonly<Record<string, string>> = {}) {
  const server = new DarkroomProcess(["serve", "--port", "0", "--folder", folder, "--device", "cpu", ...args], env);
  const [, address = ""] = await server.prints(/listens on (http:\S+)/);
  const call = async (path: string, init?: RequestInit) => {
    const reply = await fetch(`${address}${path}`, init);
    return { status: reply.status, headers: reply.headers, body: (await reply.json()) as Record<string, never> };
  };
  return Object.assign(server, {
    address,
    call,
    /** Sends a job, and returns its id. */
    submit: async (job: object): Promise<string> => (await call("/api/jobs", { method: "POST", body: JSON.stringify(job) })).body.id ?? "",
    job: async (id: string) => (await call(`/api/jobs/${id}`)).body as unknown as JobView,
  });
}

export interface JobView {
  readonly state: string;
  readonly crashes: number;
  readonly error?: { readonly kind: string };
  readonly result?: { readonly pictures: readonly { readonly url: string }[] };
}
