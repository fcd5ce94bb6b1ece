import { spawn } from "node:child_process";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Contender } from "./contenders.js";
import type { Job, Report } from "./job.js";
import { ROOT } from "./paths.js";
import { type PeakMemory, watchMemory } from "./process-memory.js";

/** What came of one measured process. */
export interface Outcome {
  /** Seconds of each measured call. */
  readonly calls: readonly number[];
  /** Processor time of each measured call; empty if the contender does not report it. */
  readonly processorCalls: readonly number[];
  /** Seconds from the start of the process to each point that it reported. */
  readonly marks: Readonly<Record<string, number>>;
  /** Processor time at these points, of contenders that report it. */
  readonly processorMarks: Readonly<Record<string, number>>;
  /** Seconds from its start to its end. */
  readonly lifetime: number;
  /** Undefined if the system does not say. */
  readonly memory: PeakMemory | undefined;
  readonly versions: Readonly<Record<string, string>>;
  /** Why it came to nothing. */
  readonly failure: string | undefined;
}

/** A process that takes more seconds is stopped. */
const LIMIT = 3600;

/** Runs a job in its own process and waits for its end. Never throws: errors are in the outcome. */
export async function runJob(contender: Contender, job: Omit<Job, "options">): Promise<Outcome> {
  const [command, ...args] = contender.command;
  const calls: number[] = [];
  const processorCalls: number[] = [];
  const marks: Record<string, number> = {};
  const processorMarks: Record<string, number> = {};
  let versions = {};
  let failure: string | undefined;
  let stderr = "";

  const begun = performance.now();
  const seconds = () => (performance.now() - begun) / 1000;
  const child = spawn(command, [...args, JSON.stringify({ ...job, options: contender.options })], {
    stdio: ["ignore", "pipe", "pipe"],
    // Checkpoints are on this disk: no contender should wait for the hub. Quantised weights are the benchmark's, not the user's.
    env: { DARKROOM_CACHE: join(ROOT, "bench/.checkpoints/cache"), ...process.env, HF_HUB_OFFLINE: "1" },
    timeout: LIMIT * 1000,
    killSignal: "SIGKILL",
  });
  // Otherwise it would continue to work, and disturb the next run.
  const stop = () => child.kill("SIGKILL");
  process.once("exit", stop);
  const memory = watchMemory(child.pid ?? 0);
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    stderr = (stderr + text).slice(-10_000);
  });
  createInterface(child.stdout).on("line", (line) => {
    const report = parse(line);
    if (report?.event === "call") {
      calls.push(report.seconds);
      if (report.processor !== undefined) processorCalls.push(report.processor);
    } else if (report?.event === "mark") {
      marks[report.name] = seconds();
      if (report.processor !== undefined) processorMarks[report.name] = report.processor;
    }
    if (report?.event === "versions") versions = report.versions;
    else if (report?.event === "failed") failure = report.reason;
  });
  const end = await new Promise<string | undefined>((resolve) => {
    child.on("error", (error) => resolve(error.message));
    child.on("close", (code, signal) => resolve(code === 0 ? undefined : `ended with ${signal ?? code}: ${lastLine(stderr)}`));
  });
  process.off("exit", stop);
  return { calls, processorCalls, marks, processorMarks, lifetime: seconds(), memory: memory(), versions, failure: failure ?? end };
}

/** The report in the line; undefined if a library wrote the line. */
function parse(line: string): Report | undefined {
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === "object" && value !== null && "event" in value ? (value as Report) : undefined;
  } catch {
    return undefined;
  }
}

function lastLine(text: string): string {
  return text.trim().split("\n").at(-1) || "it said nothing";
}
