import type { FromChild, ToChild } from "../../../src/worker/protocol.js";

// A program that takes a job and hears nothing more: as if it were in a step that takes minutes.
const send = (message: FromChild) => void process.send?.(message);
process.on("message", (message: ToChild) => {
  if (message.type !== "job") return;
  const { id } = message.order;
  send({ type: "step", id, progress: { picture: 0, pictures: 1, step: 1, steps: 20 } });
});
send({ type: "hello", version: 1 });
