import { type ChildProcess, spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { isMainThread } from "node:worker_threads";
import { expect } from "vitest";

/** The built program. */
export const MAIN = fileURLToPath(new URL("../../dist/bundle/node/cli.js", import.meta.url));

/** How a run of `darkroom` ended. */
export interface Run {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

// Starting a process takes longer than most tests here: each run gets a process only if all tests run. Threads cannot change their folder.
const startsProcesses = process.env.ALL_TESTS !== undefined || !isMainThread;

/** Runs `darkroom` in `cwd`; in its own process if all tests run. */
export function darkroom(args: readonly string[], cwd: string): Promise<Run> {
  return startsProcesses ? darkroomProcess(args, cwd) : darkroomHere(args, cwd);
}

/** Runs the built `darkroom` in its own process. `onStderr` gets each piece of stderr, and the process, so that a test can interrupt it. */
export function darkroomProcess(
  args: readonly string[],
  cwd: string,
  onStderr?: (text: string, child: ChildProcess) => void,
): Promise<Run> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [MAIN, ...args], { cwd, stdio: ["ignore", "pipe", "pipe"] });
    let stdout = "";
    let stderr = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      stdout += text;
    });
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      stderr += text;
      onStderr?.(text, child);
    });
    child.on("error", reject);
    child.on("close", (code) => resolve({ code, stdout, stderr }));
  });
}

/** Runs take turns, since the working directory and the streams belong to the whole process. */
let running: Promise<unknown> = Promise.resolve();

async function darkroomHere(args: readonly string[], cwd: string): Promise<Run> {
  const { run } = await import("../../src/cli/run.js");
  const result = running.then(async () => {
    const [home, texts] = [process.cwd(), { stdout: "", stderr: "" }];
    const restore = (["stdout", "stderr"] as const).map((name) => capture(name, (text) => (texts[name] += text)));
    process.chdir(cwd);
    try {
      return { code: await run(args, new AbortController().signal), ...texts };
    } finally {
      process.chdir(home);
      for (const each of restore) each();
    }
  });
  running = result.catch(() => undefined);
  return result;
}

/** Sends the output of a stream to `onText`, until the returned function is called. */
function capture(name: "stdout" | "stderr", onText: (text: string) => void): () => void {
  const stream = process[name];
  const { write } = stream;
  stream.write = ((text: string | Uint8Array) => {
    onText(typeof text === "string" ? text : Buffer.from(text).toString());
    return true;
  }) as typeof write;
  return () => {
    stream.write = write;
  };
}

/** The run ended with `exitCode`: a message and a way out on stderr, no stack, nothing on stdout. */
export function expectFailure({ code, stdout, stderr }: Run, exitCode: number, message: RegExp): void {
  expect(stderr).toMatch(message);
  expect(stderr).toMatch(/^darkroom: /m);
  expect(stderr).not.toMatch(/^\s+at /m);
  expect(stdout).toBe("");
  expect(code).toBe(exitCode);
}
