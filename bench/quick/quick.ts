import { family, VAE_FACTOR } from "../checkpoints/families.js";
import { checkpointOf } from "../checkpoints/make.js";
import { ours } from "../contenders.js";
import { withLock } from "../lock.js";
import { ownVersions, thisMachine } from "../machine.js";
import { type Measurement, measurements } from "../measurements.js";
import { median } from "../results.js";
import { type Outcome, runJob } from "../run-job.js";
import type { QuickRow, QuickRun } from "./baseline.js";
import { openCalibration, type Times } from "./calibration.js";

/** How often the jobs take their turn, while there is time. */
const ROUNDS = 3;

/** No new round begins after this many seconds. */
const ENOUGH = 80;

/** The measurements, each with its modes, the number of its calls, and the times in its outcome. */
const JOBS: readonly Pick<Job, "name" | "modes" | "repeats" | "times">[] = [
  { name: "unet", modes: ["exact", "fast"], repeats: 3, times: fastestCall },
  { name: "vae-decode", modes: ["exact", "fast"], repeats: 2, times: fastestCall },
  { name: "text", modes: ["exact"], repeats: 10, times: fastestCall },
  { name: "start", modes: ["exact"], repeats: 1, times: until("first-step") },
  { name: "small-unet", modes: ["exact", "fast"], repeats: 100, times: fastestCall },
  { name: "small-end-to-end", modes: ["exact"], repeats: 1, times: until("saved") },
];

interface Job {
  readonly name: string;
  readonly modes: readonly string[];
  readonly repeats: number;
  readonly times: (outcome: Outcome) => Times;
  readonly measurement: Measurement;
}

/** Measures Darkroom alone on networks of half the width, in two minutes, each time as a multiple of a product's on the same cores. */
export async function quickRun(kind: string, onProgress: (news: string) => void): Promise<QuickRun> {
  const size = family("sd15", "half").unet.sample_size * VAE_FACTOR;
  const all = measurements({ checkpoint: checkpointOf("sd15", "half"), size, repeats: 1, steps: 1 });
  const jobs = JOBS.map((job): Job => ({ ...job, measurement: all.find(({ name }) => name === job.name) as Measurement }));
  const calibrate = await openCalibration();
  const calibrations: Times[] = [];
  const found = new Map<string, QuickRow[]>();
  const begun = performance.now();
  let rounds = 0;
  await withLock(async () => {
    for (; rounds < ROUNDS && performance.now() - begun < ENOUGH * 1000; rounds++) {
      for (const { measurement, modes, repeats, times } of jobs) {
        for (const mode of modes) {
          const title = `${measurement.title}, ${mode}`;
          // Others may use the machine: what it is worth is measured before and after.
          const before = await calibrate();
          const outcome = await runJob(ours(mode), { ...measurement.job, repeats });
          const after = await calibrate();
          calibrations.push(before, after);
          if (outcome.failure !== undefined) throw new Error(`${title}: ${outcome.failure}`);
          const unit = meanOf(before, after);
          const { seconds, processor } = times(outcome);
          const row = { time: seconds / unit.seconds, processor: processor / unit.processor, memory: outcome.memory?.total ?? 0 };
          found.set(title, [...(found.get(title) ?? []), row]);
          onProgress(`round ${rounds + 1}, ${title}: ${row.time.toPrecision(3)} times the product`);
        }
      }
    }
  });
  return {
    date: new Date().toISOString(),
    kind,
    machine: thisMachine(),
    versions: ownVersions(),
    rounds,
    calibration: fastest(calibrations),
    rows: Object.fromEntries([...found].map(([title, rows]) => [title, medianRow(rows)])),
  };
}

function fastestCall({ calls, processorCalls }: Outcome): Times {
  return { seconds: Math.min(...calls), processor: Math.min(...processorCalls) };
}

/** The time from the start of the process to a point that it reports. */
function until(mark: string): (outcome: Outcome) => Times {
  return ({ marks, processorMarks }) => ({ seconds: marks[mark] ?? Number.NaN, processor: processorMarks[mark] ?? Number.NaN });
}

function fastest(all: readonly Times[]): Times {
  return { seconds: Math.min(...all.map(({ seconds }) => seconds)), processor: Math.min(...all.map(({ processor }) => processor)) };
}

function meanOf(one: Times, other: Times): Times {
  return { seconds: (one.seconds + other.seconds) / 2, processor: (one.processor + other.processor) / 2 };
}

function medianRow(rows: readonly QuickRow[]): QuickRow {
  const rounded = (of: (row: QuickRow) => number) => Number(median(rows.map(of)).toPrecision(4));
  return { time: rounded(({ time }) => time), processor: rounded(({ processor }) => processor), memory: rounded(({ memory }) => memory) };
}
