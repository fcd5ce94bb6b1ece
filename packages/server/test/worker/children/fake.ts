import type { FromChild, ToChild } from "../../../src/worker/protocol.js";

// A program that does jobs at once, without models and pictures.
const models = new Set<string>();
const send = (message: FromChild) => void process.send?.(message);

process.on("message", (message: ToChild) => {
  if (message.type === "stop") process.exit();
  if (message.type !== "job") return;
  const { id, model, request } = message.order;
  models.add(model);
  send({ type: "state", memory: 1, models: [...models] });
  const end =
    request.prompt === "break the device"
      ? ({ kind: "failed", error: { kind: "device", message: "the GPU was lost" }, isUnsafe: true } as const)
      : ({ kind: "done", settings: { threads: process.env.DARKROOM_THREADS }, warnings: [], seconds: { load: 0, generate: 0 } } as const);
  send({ type: "end", id, end });
});
send({ type: "hello", version: 1 });
