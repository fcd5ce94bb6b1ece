import { relative } from "node:path";
import { ROOT } from "../paths.js";
import { compileOurs } from "../prepare.js";
import { thisProcessorKind } from "../processor-kind.js";
import { baselinePath, describeQuickRun, readBaseline, saveBaseline } from "./baseline.js";
import { quickRun } from "./quick.js";

/** `npm run bench -- --quick`: prints a quick run beside the baseline of this kind of processor, or makes it the baseline. */
export async function quick({ saves }: { readonly saves: boolean }): Promise<void> {
  const kind = thisProcessorKind();
  const path = baselinePath(kind);
  const baseline = readBaseline(path);
  if (!baseline && !saves) {
    console.log(`no speed report: there is no baseline of ${kind}. On a quiet machine, npm run bench -- --quick --save makes one.`);
    return;
  }
  compileOurs();
  const run = await quickRun(kind, (news) => console.error(news));
  if (baseline) console.log(describeQuickRun(run, baseline));
  if (!saves) return;
  saveBaseline(path, run);
  console.log(`saved as ${relative(ROOT, path)}`);
}
