import type { ToChild } from "../../../src/worker/protocol.js";

// The real program, which aborts as native code does when it gets a certain prompt.
process.on("message", (message: ToChild) => {
  if (message.type === "job" && message.order.request.prompt === "poison") process.abort();
});
await import("../../../src/worker/child.js");
