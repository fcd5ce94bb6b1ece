import type { Command } from "commander";
import type { NeededPart } from "../checkpoint/single-file/needed-parts.js";
import type { CheckpointInspection, InspectedPart, Inspection, LoraInspection, TensorCounts } from "../inspect/inspection.js";
import { withoutControls } from "../printable.js";

interface InspectCommandOptions {
  readonly json?: true;
  readonly revision?: string;
}

/** `darkroom inspect` describes a checkpoint, a part of one, a LoRA or an embedding without loading it. */
export function addInspect(program: Command): void {
  program
    .command("inspect")
    .description("describe a checkpoint, LoRA or embedding")
    .argument("<path>", "a folder, a .safetensors or .gguf file, or a hub id that is in the cache")
    .option("--revision <name>", "branch, tag or commit of a hub id")
    .option("--json", "print one line of JSON")
    .option("--verbose", "show the stack of an error")
    .action(async (path: string, { json, revision }: InspectCommandOptions) => {
      const { inspect } = await import("../inspect/inspect.js");
      const inspection = await inspect(path, { revision });
      process.stdout.write(`${json ? JSON.stringify(inspection) : formatInspection(inspection)}\n`);
    });
}

/** A row of the report. A text of several lines takes several rows. */
type Row = readonly [label: string, text: string | readonly string[] | undefined];

/** The text for users. */
export function formatInspection(inspection: Inspection): string {
  const rows = [...rowsOf(inspection), ...metadataRows(inspection)];
  const lines = rows.flatMap(([label, text]) =>
    (text === undefined ? [] : [text].flat()).map((line, i) => `  ${(i === 0 ? label : "").padEnd(LABEL_WIDTH)}${line}`),
  );
  // Names of folders and files can hold control characters, too.
  return withoutControls([inspection.name, ...lines].join("\n"));
}

const LABEL_WIDTH = 12;
const MOST_RANKS = 12;

function rowsOf(inspection: Inspection): readonly Row[] {
  switch (inspection.kind) {
    case "checkpoint":
      return checkpointRows(inspection);
    case "network":
      return [
        ["kind", `network in a ${inspection.layout === "file" ? "single file" : "folder"}`],
        ["class", inspection.className],
        ["family", inspection.family],
        ["weights", weightsOf(inspection)],
        ["variants", inspection.variants?.join(", ")],
        ["configs", inspection.configs],
        ["needs", inspection.needs?.map(({ part, className, source }) => `${part} (${className}): ${source}`)],
        ["command", inspection.needs && commandFor(inspection.name, inspection.family ?? "", inspection.needs)],
      ];
    case "scheduler":
    case "tokenizer":
    case "processor":
      return [
        ["kind", inspection.kind],
        ["class", inspection.className],
        ["predicts", inspection.predictionType],
      ];
    case "lora":
      return loraRows(inspection);
    case "textual-inversion":
      return [
        ["kind", `textual inversion (${inspection.layout})`],
        ["family", inspection.family],
        ["token", inspection.token],
        ["vectors", `${inspection.vectors}, ${inspection.widths.join(" and ")} wide`],
        ["weights", countsOf(inspection.counts)],
      ];
    case "ip-adapter":
      return [
        ["kind", ["IP-Adapter", inspection.projection].filter((text) => text !== undefined).join(", ")],
        ["family", inspection.family],
        ["weights", countsOf(inspection.counts)],
      ];
    case "upscaler":
      return [
        ["kind", "upscaler"],
        ["network", inspection.architecture],
        ["scale", `${inspection.scale}`],
        ["weights", countsOf(inspection.counts)],
      ];
    case "foreign":
      return [
        ["kind", "model that Darkroom does not run"],
        ["family", inspection.family],
        ["weights", countsOf(inspection.counts)],
      ];
    case "unknown":
      return [
        ["kind", "safetensors file of no known kind"],
        ["weights", `${inspection.counts.tensors} tensors, ${countsOf(inspection.counts)}`],
        ["tensors", [...inspection.names, ...(inspection.counts.tensors > inspection.names.length ? ["..."] : [])]],
      ];
  }
}

function checkpointRows(inspection: CheckpointInspection): readonly Row[] {
  const { layout, className, family, isInpainting, predictionType, isPredictionAssumed, scheduler, size, parts, counts, sources, advised } =
    inspection;
  // A folder's configs state all of this, so the source is not named.
  const told = (text: string | undefined, source: string) => text && (layout === "file" ? `${text} (${source})` : text);
  const present = Object.entries(parts).flatMap(([name, part]) => (part ? [[name, part] as const] : []));
  const width = longest(present.map(([name]) => name));
  const classWidth = longest(present.map(([, part]) => part.className));
  return [
    ["kind", `checkpoint${isInpainting ? " for inpainting" : ""} in a ${layout === "file" ? "single file" : "folder"}`],
    ["family", told(family, sources.family)],
    ["pipeline", className],
    ["predicts", told(predictionType, isPredictionAssumed ? "assumed: the file does not say" : sources.predictionType)],
    ["scheduler", told(scheduler, sources.scheduler)],
    ["size", told(size === undefined ? undefined : `${size}x${size}`, sources.size)],
    [
      "advised",
      advised &&
        Object.entries(advised)
          .map(([name, value]) => `${name} ${value}`)
          .join(", "),
    ],
    ["weights", countsOf(counts)],
    ["parts", present.map(([name, part]) => `${name.padEnd(width)}  ${part.className.padEnd(classWidth)}  ${partOf(part)}`.trimEnd())],
  ];
}

/** A command that makes a picture with a transformer's file. */
function commandFor(file: string, family: string, needs: readonly NeededPart[]): string {
  const quoted = /^[\w./:@-]+$/.test(file) ? file : JSON.stringify(file);
  const edits = /Kontext|Edit|Fill/.test(family) ? " --image in.png" : "";
  const masks = family.endsWith("Fill") ? " --mask mask.png" : "";
  const parts = needs.map(({ part, source }) => ` ${part === "vae" ? "--vae" : "--text-encoder"} ${source}`);
  return `darkroom generate "a red fox" --model ${quoted}${edits}${masks}${parts.join("")}`;
}

function longest(texts: readonly string[]): number {
  return texts.reduce((most, { length }) => Math.max(most, length), 0);
}

function loraRows(inspection: LoraInspection): readonly Row[] {
  const { methods, format: names, family, ranks, alpha, layers, trainedOn, title, triggerWords, embeddings, counts } = inspection;
  return [
    ["kind", `${methods.join(" and ")}${names ? ` (${names})` : ""}`],
    ["title", title],
    ["family", family],
    ["trained on", trainedOn],
    ["rank", ranksOf(ranks)],
    ["alpha", alpha?.toString()],
    ["changes", Object.entries(layers).map(([part, count]) => `${part}, ${count} layers`)],
    ["words", triggerWords.length === 0 ? undefined : triggerWords.join(", ")],
    ["embeddings", embeddings.length === 0 ? undefined : embeddings.join(", ")],
    ["weights", countsOf(counts)],
  ];
}

/** One rank or a few. A LoRA whose layers have been resized one by one has dozens. */
function ranksOf(ranks: readonly number[]): string | undefined {
  if (ranks.length === 0) return undefined;
  return ranks.length > MOST_RANKS ? `${ranks[0]} to ${ranks.at(-1)}, ${ranks.length} different ones` : ranks.join(", ");
}

/** Metadata for people, with their labels. --json prints all metadata. */
const TOLD: Readonly<Record<string, string>> = {
  "modelspec.title": "title",
  "modelspec.author": "author",
  "modelspec.date": "date",
  "modelspec.license": "licence",
  "modelspec.description": "description",
  "modelspec.usage_hint": "usage",
};

function metadataRows(inspection: Inspection): readonly Row[] {
  if (!("metadata" in inspection)) return [];
  const { metadata, kind } = inspection;
  // A LoRA's title is printed above.
  return Object.entries(TOLD).flatMap(([key, label]) =>
    metadata[key] && !(kind === "lora" && label === "title") ? [[label, metadata[key]] as const] : [],
  );
}

function partOf(part: InspectedPart): string {
  return [weightsOf(part), part.variants && `variants ${part.variants.join(", ")}`].filter((text) => text !== undefined).join("; ");
}

function weightsOf({ counts, problem }: InspectedPart): string | undefined {
  return counts ? countsOf(counts) : problem;
}

function countsOf({ tensors, parameters, bytes, dtypes }: TensorCounts): string {
  if (tensors === 0) return "none";
  const kinds = Object.entries(dtypes).sort(([, a], [, b]) => b - a);
  const [[main = ""] = []] = kinds;
  const others = kinds.slice(1).map(([dtype, count]) => `${dtype} in ${count}`);
  const dtype = `${main}${others.length > 0 ? ` (${others.join(", ")})` : ""}`;
  return `${short(parameters, ["k", "M", "B"])} parameters, ${dtype}, ${short(bytes, ["kB", "MB", "GB"], "bytes")}`;
}

/** `2.57 B`, `123 M`, `9.80 k`, `64`. */
function short(value: number, units: readonly string[], one?: string): string {
  const power = Math.min(Math.floor(Math.log10(Math.max(value, 1)) / 3), units.length);
  const unit = power === 0 ? one : units[power - 1];
  const number = power === 0 ? String(value) : (value / 1000 ** power).toPrecision(3);
  return unit === undefined ? number : `${number} ${unit}`;
}
