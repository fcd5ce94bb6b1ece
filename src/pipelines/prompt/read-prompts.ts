import { ArgumentError } from "../../errors.js";
import { concat, type Tensor } from "../../tensor/tensor.js";
import { warn } from "../../warnings.js";
import type { Spelling } from "../../wording.js";
import { promptList } from "../shared/arguments.js";
import { expectTextParts } from "../shared/missing-parts.js";
import { constant, type PerStep } from "../shared/per-step.js";
import { negativePrompts, type PromptInput, promptCount } from "./prompt-options.js";
import { type EncodedPrompt, type EncodingFor, mapFeatures, type TextEncoders, type TextFeatures } from "./text-encoders.js";

/** The prompts of a call whose texts can be long. */
export interface LongPromptInput extends PromptInput {
  /** The most tokens of a prompt; longer ones are cut. The pipeline's own number by default. */
  readonly maxSequenceLength?: number | undefined;
}

/** Whether texts are prompts or negative prompts. */
export type Side = "positive" | "negative";

/** The texts of one row, one for each text encoder. */
export type RowTexts = readonly string[];

/**
 * What is the same for text encoders that read plain prompts: features of the request go before texts, a text that several pictures share
 * is read once, and prompts and negative prompts are read in one batch.
 */
export abstract class PromptReader<Options extends PromptInput, Features extends TextFeatures> implements TextEncoders<Options, Features> {
  /** Parts that are needed to read prompts and that the pipeline does not have, by property name. */
  abstract get missing(): readonly string[];

  /** Features of the request in place of texts. @throws ArgumentError if their shapes do not fit. */
  protected abstract given(options: Options, side: Side): Features | undefined;

  /** The texts of the prompts, or of `count` negative prompts. */
  protected abstract texts(options: Options, side: Side, count: number): readonly RowTexts[];

  /** Features of texts, a row for each. */
  protected abstract read(rows: readonly RowTexts[], options: Options, side: Side): Promise<Features>;

  /** Whether both sides are read in the same way, so that one batch can hold the texts of both. */
  protected readsAlike(_: Options): boolean {
    return true;
  }

  /** The features of one side, after its rows were chosen. */
  protected finish(features: Features): Features {
    return features;
  }

  /** @throws ArgumentError for a wrong request, or if there are texts and parts to read them are missing. */
  async encode(options: Options, { isGuided }: EncodingFor): Promise<PerStep<EncodedPrompt<Features>>> {
    const { numImagesPerPrompt = 1 } = options;
    const count = promptCount(options);
    const sides: readonly Side[] = isGuided ? ["positive", "negative"] : ["positive"];
    const found = sides.map((side) => ({ side, given: this.given(options, side) }));
    const wanted = found.flatMap(({ side, given }) => (given ? [] : [{ side, rows: this.texts(options, side, count) }]));
    if (wanted.length > 0) expectTextParts(this.missing);
    const read = await this.readSides(wanted, options);
    const [positive, negative] = found.map(({ side, given }) =>
      mapFeatures(given ?? (read.get(side) as Features), (tensor) => tensor.repeatInterleave(numImagesPerPrompt)),
    );
    if (positive && negative) expectRows(rowsOf(positive), rowsOf(negative));
    return constant({ positive: positive as Features, negative });
  }

  private async readSides(
    wanted: readonly { readonly side: Side; readonly rows: readonly RowTexts[] }[],
    options: Options,
  ): Promise<ReadonlyMap<Side, Features>> {
    const batches = this.readsAlike(options) ? [wanted] : wanted.map((each) => [each]);
    const read = new Map<Side, Features>();
    for (const batch of batches) {
      const different = new Map(batch.flatMap(({ rows }) => rows).map((row) => [JSON.stringify(row), row]));
      const [first] = batch;
      if (!first) continue;
      const features = await this.read([...different.values()], options, first.side);
      const places = [...different.keys()];
      for (const { side, rows } of batch) {
        const own = rows.map((row) => places.indexOf(JSON.stringify(row)));
        const chosen = mapFeatures(features, (tensor) => rowsAt(tensor, own));
        read.set(side, this.finish(chosen));
      }
    }
    return read;
  }
}

/** How many rows features have. */
function rowsOf(features: TextFeatures): number {
  return Object.values(features).find((tensor) => tensor !== undefined)?.shape[0] ?? 0;
}

function expectRows(positive: number, negative: number): void {
  if (positive === negative) return;
  throw new ArgumentError(`there are features of ${positive} prompts and of ${negative} negative prompts; expected as many`, {
    argument: "negativePromptEmbeds",
    hint: "encode prompt and negative prompt in one call of encodePrompt",
  });
}

/** The rows of a tensor at `places`. */
function rowsAt(tensor: Tensor, places: readonly number[]): Tensor {
  if (places.length === tensor.shape[0] && places.every((place, i) => place === i)) return tensor;
  return concat(places.map((place) => tensor.slice(place, place + 1)));
}

/** The first texts of both sides: the prompts, or `count` negative prompts. */
export function firstTexts({ prompt = "", negativePrompt }: PromptInput, side: Side, count: number): readonly string[] {
  return side === "positive" ? promptList("prompt", prompt) : negativePrompts(negativePrompt, count);
}

/**
 * Texts for a further text encoder, one for each of the `first` ones, which are taken if there are none. `name` is the option.
 * @throws ArgumentError for a list of another length.
 */
export function furtherTexts(name: string, text: string | readonly string[] | undefined, first: readonly string[]): readonly string[] {
  if (text === undefined || text === "") return first;
  const list = promptList(name, text);
  if (list.length === first.length) return list;
  if (list.length === 1) return first.map(() => list[0] as string);
  throw new ArgumentError(`${list.length} texts were given as ${name} for ${first.length} prompts; expected one, or one for each`, {
    argument: name,
  });
}

/** Warns about the ends of texts that were cut off at `tokens` tokens, each once. `reader` is what takes no more. */
export function warnOfCuts(
  truncated: readonly (string | undefined)[],
  tokens: number,
  reader: string | ((name: Spelling) => string),
): void {
  for (const cut of new Set(truncated)) {
    if (cut === undefined || cut === "") continue;
    const end = cut.length > 120 ? `${cut.slice(0, 120)}...` : cut;
    warn(
      (name) =>
        `a prompt is longer than ${tokens} tokens, all that ${typeof reader === "string" ? reader : reader(name)} takes; cut off: ${JSON.stringify(end)}`,
    );
  }
}
