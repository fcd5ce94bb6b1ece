/** The kinds of parts that a checkpoint has. The kind decides which files a part has. */
export type PartKind = "model" | "scheduler" | "tokenizer" | "processor";

/** The config files of a part. */
interface PartFiles {
  /** Alternative sets of files, best first. A part needs all files of one set. */
  readonly needed: readonly (readonly string[])[];
  /** Files that are read if they exist. */
  readonly optional?: readonly string[];
}

/** The config files of each kind of part. */
export const PART_FILES: Readonly<Record<PartKind, PartFiles>> = {
  model: { needed: [["config.json"]] },
  scheduler: { needed: [["scheduler_config.json"]] },
  tokenizer: {
    needed: [["vocab.json", "merges.txt"], ["spiece.model"], ["tokenizer.json"]],
    optional: ["tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "chat_template.jinja"],
  },
  processor: { needed: [["preprocessor_config.json"]] },
};

/** The kind of the parts of a class. */
export function kindOf(className: string): PartKind {
  if (className.endsWith("Scheduler")) return "scheduler";
  if (/Tokenizer(Fast)?$/.test(className)) return "tokenizer";
  if (/(Processor(Fast|Pil)?|FeatureExtractor)$/.test(className)) return "processor";
  return "model";
}
