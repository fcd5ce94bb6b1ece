// Compares pictures of the faster modes with exact ones, on the embedded checkpoint, and writes the table of bench/QUALITY.md.
// npm run bench:quality -- --help lists the options.
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Command } from "commander";
import { EMBEDDED_CHECKPOINT, type Picture, StableDiffusionPipeline } from "darkroom";
import { MODES } from "./contenders.js";
import { withLock } from "./lock.js";
import { describeMachine, ownVersions, thisMachine } from "./machine.js";
import { nameList } from "./options.js";
import { ROOT } from "./paths.js";
import { endOnSignals } from "./prepare.js";
import { formatDecibels, psnr } from "./psnr.js";
import { median } from "./results.js";
import { formatSeconds, markdownTable, replaceBetween } from "./tables.js";

/** Prompts like those of the embedded checkpoint's training: things, colours, places, counts. The seed is the prompt's index. */
const PROMPTS = [
  "a red apple on a blue background",
  "a red fox on a green background",
  "a panda",
  "a purple cat face",
  "a rocket and a red heart",
  "two red apples",
  "a green apple on a white background",
  "a pizza on a yellow background",
  "a castle",
  "a robot above a cactus",
  "a tiny star at the top",
  "a huge sun on a blue background",
  "three bananas",
  "a blue whale",
  "a small rocket on the left",
  "a fox face on a pink background",
  "a big mushroom on a green background",
  "four red hearts",
  "a yellow flower on a black background",
  "a dog face on the right",
];

/** As the model card advises. */
const SETTINGS = { numInferenceSteps: 20, guidanceScale: 4 } as const;

/** One mode's pictures, and the seconds that each took. */
interface Gallery {
  readonly pictures: readonly Picture[];
  readonly seconds: readonly number[];
}

const program = new Command("npm run bench:quality --")
  .description(`Measures how far pictures of the faster modes are from exact ones, and writes the table of bench/QUALITY.md.`)
  .option("--modes <names>", `of ${Object.keys(MODES).join(", ")}`, nameList(MODES), [
    "cache-2",
    "cache-3",
    "cache-0.2",
    "cache-0.4",
    "merge-0.5",
    "guided-0.2-0.8",
    "fast",
  ])
  .option("--dry-run", "prints the table only")
  .parse();
const options = program.opts<{ modes: string[]; dryRun?: boolean }>();
endOnSignals();

const exact = await paint("exact");
const rows = [row("exact", exact)];
for (const mode of options.modes) rows.push(row(mode, await paint(mode)));
const { darkroom, "onnxruntime-node": runtime } = ownVersions();
const table = [
  markdownTable([["mode", "mean PSNR", "worst PSNR", "time of a picture"], ...rows]),
  `${describeMachine(thisMachine())}; ${new Date().toISOString().slice(0, 10)}; darkroom ${darkroom}, onnxruntime-node ${runtime}.`,
].join("\n\n");
console.log(table);
const report = join(ROOT, "bench/QUALITY.md");
if (!options.dryRun) writeFileSync(report, replaceBetween(readFileSync(report, "utf8"), "modes", table));

/** A mode's pictures of all prompts. The first is made twice, because loading is not part of a picture's time. */
async function paint(mode: string): Promise<Gallery> {
  const { request, ...opening } = MODES[mode] ?? {};
  await using pipe = await StableDiffusionPipeline.fromPretrained(EMBEDDED_CHECKPOINT, opening);
  const generate = async (prompt: string, seed: number) => {
    const { images } = await pipe.generate({ prompt, seed, ...SETTINGS, ...request });
    return images[0] as Picture;
  };
  // Awaited: otherwise the pipeline would be disposed while it works.
  return await withLock(async () => {
    await generate(PROMPTS[0] ?? "", 0);
    const pictures: Picture[] = [];
    const seconds: number[] = [];
    for (const [seed, prompt] of PROMPTS.entries()) {
      const begun = performance.now();
      pictures.push(await generate(prompt, seed));
      seconds.push((performance.now() - begun) / 1000);
    }
    return { pictures, seconds };
  });
}

function row(mode: string, { pictures, seconds }: Gallery): string[] {
  const decibels = pictures.map(({ data }, i) => psnr(data, exact.pictures[i]?.data ?? []));
  const mean = decibels.reduce((sum, each) => sum + each, 0) / decibels.length;
  return [mode, formatDecibels(mean), formatDecibels(Math.min(...decibels)), formatSeconds(median(seconds))];
}
