import { once } from "node:events";
import { type Command, Option } from "commander";
import { ArgumentError } from "../errors.js";
import { outliveExceptions } from "./outlive-exceptions.js";
import { loadServer } from "./server-module.js";
import { addModelOptions, addRunOptions, addStorageOptions, runOptionsOf, type SharedOptions } from "./server-options.js";

/** `darkroom worker` does jobs that servers on other machines accept, until it is stopped. */
export function addWorker(program: Command, signal: AbortSignal): void {
  const worker = program.command("worker").description("do jobs that servers queue in Redis");
  addStorageOptions(worker.optionsGroup("Shared with the servers:"), "pictures, if there is no bucket");
  addModelOptions(worker.optionsGroup("Models:"));
  addRunOptions(worker.optionsGroup("Running:"), 1);
  worker
    .option("--verbose", "show the stack of an error")
    .addHelpOption(new Option("-h, --help", "show this").helpGroup("Running:"))
    .action(async (options: SharedOptions) => {
      const { queue, grace } = options;
      if (queue === undefined) {
        throw new ArgumentError("a worker needs --queue: the address of the Redis server from which it takes jobs", {
          hint: "such as --queue redis://127.0.0.1:6379, as darkroom serve has it",
        });
      }
      const server = await loadServer("worker");
      const run = await runOptionsOf(server, options);
      const { close } = await server.startWorker({ ...run, queue });
      const endGuard = outliveExceptions(run.onError);
      const models = run.offer.models.map(({ name }) => name);
      process.stdout.write(`darkroom takes jobs for ${models.length === 0 ? "the embedded checkpoint" : models.join(", ")}\n`);
      if (!signal.aborted) await once(signal, "abort");
      await close({ grace });
      endGuard();
    });
}
