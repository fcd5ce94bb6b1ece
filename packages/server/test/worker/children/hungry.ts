import type { FromChild, ToChild } from "../../../src/worker/protocol.js";

// A program whose memory runs out in a job with the prompt "hungry": V8 then ends the process. Other jobs are done at once.
const send = (message: FromChild) => void process.send?.(message);
const eaten: number[][] = [];

process.on("message", (message: ToChild) => {
  if (message.type === "stop") process.exit();
  if (message.type !== "job") return;
  const { id, request } = message.order;
  while (request.prompt === "hungry") eaten.push(Array.from({ length: 100_000 }, (_, i) => i + 0.5));
  send({ type: "end", id, end: { kind: "done", settings: {}, warnings: [], seconds: { load: 0, generate: 0 } } });
});
send({ type: "hello", version: 1 });
