// A thread beside a fuzz test: what hangs cannot stop itself. See watchdog.ts.
import { writeSync } from "node:fs";
import { parentPort, workerData } from "node:worker_threads";

const { state, longestRun, mostMemory } = workerData;
let current = "";
let baseline = process.memoryUsage.rss();
let [run, since] = [0, Date.now()];

parentPort.on("message", (name) => {
  current = name;
  baseline = process.memoryUsage.rss();
});

setInterval(() => {
  const now = Atomics.load(state, 0);
  if (now !== run || now === 0) [run, since] = [now, Date.now()];
  if (Date.now() - since > longestRun) end(`has been at it for ${longestRun / 1000} s`);
  const taken = process.memoryUsage.rss() - baseline;
  if (now !== 0 && taken > mostMemory) end(`takes ${Math.round(taken / 2 ** 20)} MiB`);
}, 50);

function end(what) {
  // Not through the streams of this thread, which the other one would have to write.
  writeSync(2, `\nfuzz: ${current}, run ${run}: ${what}\n`);
  process.kill(process.pid, "SIGKILL");
}
