/**
 * The folders of src from bottom to top, each with the folders that it may import. A folder may import only folders above it in this list,
 * so that there is no circle. "root" stands for the files of src itself, which all folders may import, and "index" for src/index.ts. Types
 * count, too.
 *
 * To add a folder, put it below everything that it imports. If an import points the other way, move what it needs down.
 */
export const ARROWS: Readonly<Record<string, readonly string[]>> = {
  // Errors, warnings, wording of messages.
  root: [],

  // Numbers, and facts about checkpoints.
  tensor: [],
  options: ["tensor"],
  families: [],

  // From a network's description to a session on a device.
  graph: ["tensor"],
  runtime: ["tensor", "options", "graph"],
  platform: ["tensor", "runtime"],
  "platform/node": ["tensor", "graph", "runtime", "platform"],
  "platform/web": ["tensor", "runtime", "platform"],

  // Files of checkpoints.
  checkpoint: ["tensor", "options", "families", "platform"],
  lora: ["tensor", "options", "families", "graph", "platform", "checkpoint"],
  recognise: ["families", "platform", "checkpoint", "lora"],
  hub: ["options", "families", "platform", "platform/node", "checkpoint", "recognise"],
  inspect: ["tensor", "options", "families", "platform", "platform/node", "checkpoint", "lora", "recognise", "hub"],

  // The parts of a pipeline. Schedulers and tokenizers know nothing of graphs, the runtime and the hub.
  tokenizer: ["tensor", "options", "platform", "checkpoint"],
  prompt: ["tokenizer"],
  image: ["tensor", "options", "platform", "platform/node", "checkpoint"],
  schedulers: ["tensor", "options", "platform", "checkpoint"],
  layers: ["tensor", "graph"],
  models: ["tensor", "options", "graph", "runtime", "platform", "platform/node", "checkpoint", "lora", "hub", "image", "layers"],

  // Pictures.
  pipelines: [
    "tensor",
    "options",
    "families",
    "graph",
    "runtime",
    "platform",
    "platform/node",
    "checkpoint",
    "lora",
    "hub",
    "tokenizer",
    "prompt",
    "image",
    "schedulers",
    "models",
  ],
  generate: [
    "tensor",
    "options",
    "families",
    "runtime",
    "platform",
    "platform/node",
    "checkpoint",
    "recognise",
    "hub",
    "inspect",
    "prompt",
    "image",
    "schedulers",
    "models",
    "pipelines",
  ],

  // The doors.
  index: [
    "tensor",
    "families",
    "graph",
    "runtime",
    "platform",
    "checkpoint",
    "lora",
    "hub",
    "inspect",
    "tokenizer",
    "prompt",
    "image",
    "schedulers",
    "models",
    "pipelines",
  ],
  cli: [
    "options",
    "families",
    "runtime",
    "platform",
    "platform/node",
    "checkpoint",
    "recognise",
    "hub",
    "inspect",
    "prompt",
    "image",
    "schedulers",
    "generate",
  ],
};

/** The platform's files as sources import them; package.json's "imports" names them. */
export const ALIASES: Readonly<Record<string, string>> = { "#platform": "platform/node/platform.ts" };

/** The name in {@link ARROWS} of the folder that a file of src belongs to. */
export function folderOf(file: string): string {
  const [first = "", second, third] = file.split("/");
  if (second === undefined) return first === "index.ts" ? "index" : "root";
  return first === "platform" && third !== undefined ? `platform/${second}` : first;
}
