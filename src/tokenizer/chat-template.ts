import { readJson } from "../checkpoint/config.js";
import { isObject, type Json } from "../checkpoint/json.js";
import { CheckpointError } from "../errors.js";
import { messageOf } from "../message-of.js";
import type { Folder } from "../platform/folder.js";

/** A message of a chat. */
export interface ChatMessage {
  /** Who says it. */
  readonly role: "system" | "user" | "assistant";
  /** What is said. */
  readonly content: string;
}

/** Options of `applyChatTemplate`. */
export interface ChatTemplateOptions {
  /** Whether the text ends with the beginning of the assistant's answer; false by default. */
  readonly addGenerationPrompt?: boolean | undefined;
  /** Whether the model may think before it answers; by default, the template decides. */
  readonly enableThinking?: boolean | undefined;
}

/** The most bytes of a template file. Qwen3's has 4000. */
const LARGEST = 200_000;
/** The most numbers that a template's `range` gives. */
const LONGEST_RANGE = 10_000;

/** What every template can use, as in transformers. The library's own `range` has no bound. */
const GLOBALS = {
  true: true,
  false: false,
  none: null,
  True: true,
  False: false,
  None: null,
  range: boundedRange,
  raise_exception: (message: unknown) => {
    throw new Error(String(message));
  },
};

/** The template by which a tokenizer writes a chat as one text (Jinja, as in transformers). */
export class ChatTemplate {
  private constructor(
    private readonly name: string,
    private readonly render: (values: Readonly<Record<string, unknown>>) => string,
  ) {}

  /**
   * The template of a tokenizer's folder: `chat_template.jinja`, or the one in `tokenizer_config.json`. Undefined if there is none.
   * @throws CheckpointError if it is not a Jinja template.
   */
  static async read(folder: Folder): Promise<ChatTemplate | undefined> {
    const source = await sourceOf(folder);
    if (!source) return undefined;
    const { name, text } = source;
    // Loaded here, so that programs without chat templates do not load it.
    const { Environment, Interpreter, parse, tokenize } = await import("@huggingface/jinja");
    try {
      const program = parse(tokenize(text, { lstrip_blocks: true, trim_blocks: true }));
      return new ChatTemplate(name, (values) => {
        const environment = new Environment();
        for (const [variable, value] of Object.entries({ ...GLOBALS, ...values })) environment.set(variable, value);
        return String(new Interpreter(environment).run(program).value);
      });
    } catch (cause) {
      throw new CheckpointError(`${name} is not a Jinja template: ${messageOf(cause)}`, { hint: "download the file again", cause });
    }
  }

  /** The messages as one text. @throws CheckpointError if the template cannot be applied to them. */
  apply(messages: readonly ChatMessage[], { addGenerationPrompt = false, enableThinking }: ChatTemplateOptions = {}): string {
    try {
      return this.render({
        messages: messages.map(({ role, content }) => ({ role, content })),
        add_generation_prompt: addGenerationPrompt,
        ...(enableThinking !== undefined && { enable_thinking: enableThinking }),
      });
    } catch (cause) {
      throw new CheckpointError(`${this.name} cannot be applied to these messages: ${messageOf(cause)}`, { cause });
    }
  }
}

async function sourceOf(folder: Folder): Promise<{ readonly name: string; readonly text: string } | undefined> {
  const path = "chat_template.jinja";
  if (await folder.has(path)) {
    const [name, size] = [`${folder.name}/${path}`, await folder.size(path)];
    if (size > LARGEST) throw new CheckpointError(`${name} has ${size} bytes; a chat template has at most ${LARGEST}`);
    return { name, text: new TextDecoder().decode(await folder.read(path)) };
  }
  if (!(await folder.has("tokenizer_config.json"))) return undefined;
  const { chat_template: template } = await readJson(folder, "tokenizer_config.json");
  const text = typeof template === "string" ? template : defaultOf(template);
  return text === undefined ? undefined : { name: `chat_template in ${folder.name}/tokenizer_config.json`, text };
}

/** The template named "default" in a list of templates. */
function defaultOf(templates: Json | undefined): string | undefined {
  const found = Array.isArray(templates) ? templates.find((each) => isObject(each) && each.name === "default") : undefined;
  return isObject(found) && typeof found.template === "string" ? found.template : undefined;
}

/** Python's `range`, for as many numbers as a template can need. */
function boundedRange(start: number, stop?: number, step = 1): number[] {
  const [first, end] = stop === undefined ? [0, start] : [start, stop];
  const count = Math.max(0, Math.ceil((end - first) / step));
  if (!(count <= LONGEST_RANGE)) throw new Error(`range of ${count} numbers; at most ${LONGEST_RANGE} are made`);
  return Array.from({ length: count }, (_, i) => first + i * step);
}
