import { offerOf } from "../../../src/models/offer.js";
import { createHandler } from "../../../src/worker/supervisor.js";
import { MemoryStore } from "../../memory-store.js";
import { FakeRun, longJob } from "../doubles.js";

// A server whose job runs: it tells its parent the process of the model.
const handler = createHandler({ offer: offerOf({ runtime: { device: "cpu" } }), results: new MemoryStore() });
const run = new FakeRun();
const stepped = run.step();
void handler(longJob(), run);
await stepped;
process.send?.(handler.status()[0]?.pid);
