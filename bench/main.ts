// Measures Darkroom and the Python stacks on this machine in one run: `npm run bench -- --help`.
import { join } from "node:path";
import { Command } from "commander";
import { FAMILY_TITLES, type FamilyName, family, type Scale, VAE_FACTOR } from "./checkpoints/families.js";
import { checkpointOf } from "./checkpoints/make.js";
import { zImageFamily } from "./checkpoints/z-image.js";
import { compare } from "./compare.js";
import { type Contender, environmentOf, MODES, ours, PEERS, peer, peersOf } from "./contenders.js";
import { measurements, zImageMeasurements } from "./measurements.js";
import { count, familyName, nameList, scale } from "./options.js";
import { ROOT } from "./paths.js";
import { compileOurs, endOnSignals, preparePython } from "./prepare.js";
import { profile } from "./profile.js";
import { quick } from "./quick/main.js";
import { saveRun } from "./results.js";
import { describeRun } from "./tables.js";

interface Options {
  readonly only?: string[];
  readonly rounds?: number;
  readonly repeats?: number;
  readonly steps?: number;
  readonly modes: string[];
  /** false with --no-peers, true if none are named. */
  readonly peers: string[] | boolean;
  readonly family: FamilyName;
  readonly scale: Scale;
  readonly results: string;
  readonly profile?: boolean;
  readonly quick?: boolean;
  readonly save?: boolean;
}

/** The defaults for the numbers of rounds, repetitions and steps. */
const DEFAULTS: Readonly<Record<Scale, { rounds: number; repeats: number; steps: number }>> = {
  real: { rounds: 3, repeats: 2, steps: 20 },
  half: { rounds: 1, repeats: 2, steps: 20 },
  tiny: { rounds: 1, repeats: 1, steps: 2 },
};

const program = new Command("npm run bench --")
  .description("Compares Darkroom with the Python stacks. Each measurement is a process of its own, and never are there two at once.")
  .option(
    "--only <names>",
    "the beginnings of measurements' names, comma-separated: unet, transformer, vae, text, start, end-to-end, small",
    nameList(),
  )
  .option("--rounds <n>", `times each contender has its turn (${DEFAULTS.real.rounds})`, count)
  .option("--repeats <n>", `measured calls a turn (${DEFAULTS.real.repeats})`, count)
  .option("--steps <n>", `denoising steps of a whole picture (${DEFAULTS.real.steps})`, count)
  .option("--modes <names>", `Darkroom's modes, the ratios are to the first: ${Object.keys(MODES).join(", ")}`, nameList(MODES), ["exact"])
  .option("--peers <names>", `Python stacks: ${Object.keys(PEERS).join(", ")}`, nameList(PEERS))
  .option("--no-peers", "Darkroom alone, without Python")
  .option("--family <name>", `the checkpoint: ${Object.keys(FAMILY_TITLES).join(", ")}`, familyName, "sd15")
  .option("--scale <scale>", "real, or tiny to try the benchmark itself", scale, "real")
  .option("--results <folder>", "where the run is saved", join(ROOT, "bench/results"))
  .option("--profile", "instead of comparing: the ten costliest operators of each network, in Darkroom's first mode")
  .option("--quick", "instead of comparing: two minutes on networks of half the width, beside the baseline of this kind of processor")
  .option("--save", "with --quick: the run becomes the baseline, in bench/baselines")
  .addHelpText(
    "after",
    `
Environment:
  BENCH_PYTHON  the interpreter for the Python stacks, with bench/requirements.txt installed; without it bench/.venv is made
  BENCH_PYTHON_OPTIMUM  the same for optimum, with bench/requirements-optimum.txt; without it bench/.venv-optimum is made
  BENCH_LOCK    a file whose lock (flock) is held while the contenders take their turn at one measurement, where others measure, too`,
  )
  .parse();
const options = program.opts<Options>();
if (options.save && !options.quick) program.error("error: --save keeps a quick run; it needs --quick");
if (options.quick) {
  endOnSignals();
  await quick({ saves: options.save ?? false });
  process.exit();
}

const { family: checkpoint } = options;
const { rounds, repeats, steps } = { ...DEFAULTS[options.scale], ...options };
const asked = { checkpoint: checkpointOf(checkpoint, options.scale), repeats, steps };
const isUNet = checkpoint === "sd15" || checkpoint === "sdxl";
const all = isUNet
  ? measurements({ ...asked, size: family(checkpoint, options.scale).unet.sample_size * VAE_FACTOR })
  : zImageMeasurements({ ...asked, ...zImageFamily(checkpoint, options.scale) });
const chosen = all.filter(({ name }) => options.only?.some((only) => name.startsWith(only)) ?? true);
if (chosen.length === 0) program.error(`error: --only fits none of ${all.map(({ name }) => name).join(", ")}`);

endOnSignals();
compileOurs();
// Some checkpoints have no full files.
const opening = isUNet && !family(checkpoint, options.scale).variants.includes("fp32") ? { variant: "fp16" } : {};
const own = options.modes.map((mode) => ours(mode, opening));
const [first] = own;

if (options.profile && first) {
  await profile(chosen, first);
} else {
  const able = peersOf(checkpoint);
  const peers = Array.isArray(options.peers) ? options.peers.filter((name) => able.includes(name)) : options.peers ? able : [];
  const contenders = [...own, ...peers.flatMap(openPeer)];
  const settings = { checkpoint, scale: options.scale, rounds, repeats, contenders, measurements: chosen };
  // Saved after each result, because a run takes hours and may be interrupted.
  const run = await compare(settings, (sofar, news) => {
    console.error(news);
    saveRun(options.results, sofar);
  });
  console.log(describeRun(run));
  console.error(`saved as ${saveRun(options.results, run)}`);
  if (run.results.some(({ failure, contender }) => failure !== undefined && own.some(({ name }) => name === contender)))
    process.exitCode = 1;
}

/** A Python stack; none if it needs an environment of its own that cannot be made. */
function openPeer(name: string): Contender[] {
  const environment = environmentOf(name);
  try {
    return [peer(name, preparePython(environment))];
  } catch (error) {
    const { message } = error as Error;
    if (environment === "peers")
      return program.error(
        `error: ${message}\n--no-peers measures Darkroom alone; BENCH_PYTHON names an interpreter that has bench/requirements.txt`,
      );
    console.error(`${name} is left out: ${message}`);
    return [];
  }
}
