import { writeFileSync } from "node:fs";
import { here, OpenWorkflows } from "./open-workflows.js";
import { type FromChild, PROTOCOL_VERSION, type ToChild } from "./protocol.js";
import { type JobContext, runJob } from "./run-job.js";
import { withWarnings } from "./warnings.js";

// The program of the process that has the models. Its supervisor starts it with an IPC channel.

/** Milliseconds between two reports of its memory. */
const REPORT_EVERY = 1000;

let context: Omit<JobContext, "signal"> | undefined;
let current: { readonly id: string; readonly controller: AbortController } | undefined;

function send(message: FromChild): Promise<void> {
  return new Promise((resolve) => {
    // A message that cannot be sent has no reader any more: this process ends with the channel.
    if (process.send) process.send(message, undefined, undefined, () => resolve());
    else resolve();
  });
}

function report(): Promise<void> {
  return send({ type: "state", memory: here.memory(), models: context?.workflows.models ?? [] });
}

process.on("message", async (message: ToChild) => {
  switch (message.type) {
    case "start": {
      const workflows = new OpenWorkflows(message.memoryBudget, { ...here, warningsOf: withWarnings });
      context = { offer: message.offer, workflows, send };
      setInterval(report, REPORT_EVERY).unref();
      return;
    }
    case "job": {
      if (!context) return;
      const { order } = message;
      const controller = new AbortController();
      current = { id: order.id, controller };
      await report();
      const end = await runJob(order, { ...context, signal: controller.signal });
      current = undefined;
      await report();
      await send({ type: "end", id: order.id, end });
      return;
    }
    case "cancel": {
      if (current?.id === message.id) current.controller.abort(new Error("the job was cancelled"));
      return;
    }
    case "stop": {
      current?.controller.abort(new Error("the process ends"));
      await context?.workflows.dispose();
      process.exit(0);
    }
  }
});

// Whoever ends the server's process group or service means the server: it stops its children when they are done.
process.on("SIGINT", () => undefined);
process.on("SIGTERM", () => undefined);

// Without its supervisor there is nobody to work for. An orderly exit would wait for a network that runs.
process.on("disconnect", () => process.kill(process.pid, "SIGKILL"));

// If memory runs out, Linux is to end this process and not the server.
if (process.platform === "linux") {
  try {
    writeFileSync("/proc/self/oom_score_adj", "1000");
  } catch {
    // A sandbox may have no such file: then the largest process is chosen, which is this one, too.
  }
}

void send({ type: "hello", version: PROTOCOL_VERSION });
