// Loaded into a server's processes by NODE_OPTIONS: on SIGUSR2, a process collects its garbage and writes what it has left to
// $BENCH_MEMORY/<pid>.json.
import { renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { isMainThread } from "node:worker_threads";

setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc");
const path = join(process.env.BENCH_MEMORY ?? ".", `${process.pid}.json`);

if (isMainThread) {
  process.on("SIGUSR2", () => {
    collect();
    writeFileSync(`${path}.part`, JSON.stringify(process.memoryUsage()));
    renameSync(`${path}.part`, path);
  });
}
