import type { Command } from "commander";
import { ArgumentError } from "../errors.js";
import { withoutControls } from "../printable.js";
import type { ListedModel } from "./model-list.js";

interface CacheOptions {
  readonly cacheDir?: string;
}

/** `darkroom models` lists the models in the hub's cache and in folders. `darkroom models rm` removes one from the cache. */
export function addModels(program: Command, signal: AbortSignal): void {
  const models = program
    .command("models")
    .description("list the models of the cache and of folders")
    .argument("[folder...]", "more folders to search, with all folders below")
    .enablePositionalOptions();
  addCommonOptions(models.option("--json", "print one line of JSON"));
  models.action(async (folders: readonly string[], { json, cacheDir }: CacheOptions & { readonly json?: true }) => {
    const [{ modelsIn, modelsInCache, modelsQuantised }, { hubSettings }] = await Promise.all([
      import("./model-list.js"),
      import("#platform"),
    ]);
    const { cacheDir: cache } = await hubSettings({ cacheDir });
    const places = [{ place: cache, models: await modelsInCache(cacheDir) }];
    const quantised = await modelsQuantised();
    if (quantised.models.length > 0) places.push(quantised);
    for (const folder of folders) places.push({ place: folder, models: await modelsIn(folder) });
    if (json) process.stdout.write(`${JSON.stringify({ cacheDir: cache, models: places.flatMap((each) => each.models) })}\n`);
    else process.stdout.write(`${withoutControls((await Promise.all(places.map(describePlace))).join("\n\n"))}\n`);
  });

  const rm = models
    .command("rm")
    .description("remove a repository from the cache, with all its revisions")
    .argument("<id>", "OWNER/NAME, as in darkroom models; or a file that --quantize made")
    .option("-y, --yes", "do not ask");
  addCommonOptions(rm);
  rm.action(async (id: string, { yes = false, cacheDir }: CacheOptions & { readonly yes?: boolean }) => {
    const [{ listCachedRepositories, removeCachedRepository }, { formatBytes }] = await Promise.all([
      import("../hub/cached-repositories.js"),
      import("./bytes.js"),
    ]);
    if (id.endsWith(".gguf")) {
      await removeQuantised(id, yes, signal);
      return;
    }
    const found = (await listCachedRepositories({ cacheDir })).find((repository) => repository.id === id);
    // Removing a missing one gives the error.
    if (found && !yes && !(await agrees(`Remove ${id}, ${formatBytes(found.size)}, from ${found.path}?`, signal))) {
      process.stdout.write(`${id} was not removed\n`);
      return;
    }
    const freed = await removeCachedRepository(id, { cacheDir });
    process.stdout.write(`removed ${id}: ${formatBytes(freed)} freed\n`);
  });
}

/** Removes a file of quantised weights. @throws ArgumentError if there is none of this name */
async function removeQuantised(name: string, yes: boolean, signal: AbortSignal): Promise<void> {
  const [{ openWeightCache }, { formatBytes }] = await Promise.all([import("#platform"), import("./bytes.js")]);
  const cache = openWeightCache();
  const found = (await cache.list()).find((file) => file.name === name);
  if (!found) throw new ArgumentError(`there are no quantised weights ${name}`, { hint: "darkroom models lists them" });
  if (!yes && !(await agrees(`Remove ${name}, ${formatBytes(found.size)}, from ${found.path}?`, signal))) {
    process.stdout.write(`${name} was not removed\n`);
    return;
  }
  const freed = (await cache.remove(name)) ?? 0;
  process.stdout.write(`removed ${name}: ${formatBytes(freed)} freed\n`);
}

function addCommonOptions(command: Command): void {
  command
    .option("--cache-dir <dir>", "instead of ~/.cache/huggingface/hub (HF_HUB_CACHE)")
    .option("--verbose", "show the stack of an error");
}

async function agrees(question: string, signal: AbortSignal): Promise<boolean> {
  const { stdin: input, stderr: output } = process;
  if (!input.isTTY) {
    throw new ArgumentError("the removal cannot be confirmed: the input is not a terminal", {
      hint: "add --yes to remove it without a question",
    });
  }
  const { confirm } = await import("./confirm.js");
  return confirm(question, { input, output, signal });
}

async function describePlace({ place, models }: { readonly place: string; readonly models: readonly ListedModel[] }): Promise<string> {
  const [{ table }, { formatBytes }] = await Promise.all([import("./table.js"), import("./bytes.js")]);
  if (models.length === 0) return `${place}: no models`;
  const rows = models.map((model) => [
    `  ${model.name}`,
    model.kind ?? "-",
    formatBytes(model.size),
    model.lastUsed.toISOString().slice(0, 10),
    notesOn(model, formatBytes),
  ]);
  const total = formatBytes(models.reduce((sum, { size }) => sum + size, 0));
  return `${place}: ${total}\n${table([["  NAME", "KIND", "SIZE", "LAST USED", ""], ...rows])}`;
}

function notesOn({ revisions = [], unfinished = 0 }: ListedModel, format: (bytes: number) => string): string {
  const commits = revisions.map(({ commit, refs }) => [...refs, commit.slice(0, 7)].join(" "));
  return [...commits, ...(unfinished > 0 ? [`incomplete: ${format(unfinished)} of unfinished downloads`] : [])].join(", ");
}
