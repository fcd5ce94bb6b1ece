import type { Value } from "../graph/graph.js";
import { add, sub } from "../graph/ops/elementwise.js";
import { pageTurn } from "../page-turn.js";
import { concat, type Tensor } from "../tensor/tensor.js";

/**
 * A part of a transformer as a graph of its own: the first block with all before it (`head`), the other blocks with the output (`tail`),
 * the output alone (`end`), or all in one.
 */
export type TransformerPart = "whole" | "head" | "tail" | "end";

/** How many graphs a step of this part runs in turn: a step with a cache runs the three parts of the network. */
export function graphsWith(part: TransformerPart): number {
  return part === "whole" ? 1 : 3;
}

/** Tokens between two blocks, by name. */
export type BlockState = Readonly<Record<string, Value>>;

/** A transformer as a list of blocks. */
export interface BlockStack {
  /** The tokens before the first block. */
  start(): BlockState;
  readonly blocks: readonly ((state: BlockState) => BlockState)[];
  /** The picture's tokens among them. */
  image(state: BlockState): Value;
  /** The prediction from the picture's tokens. */
  finish(image: Value): Value;
}

/** Between the graphs, tokens have these names. */
const PREFIX = "after_first_";

/** Writes a part of the network. Its inputs are among `values`. */
export async function writePart(
  part: TransformerPart,
  { start, blocks, image, finish }: BlockStack,
  values: Readonly<Record<string, Value | undefined>>,
): Promise<Readonly<Record<string, Value>>> {
  const [first = (state: BlockState) => state, ...others] = blocks;
  if (part === "head") {
    const before = start();
    const after = first(before);
    const named = Object.entries(after).map(([name, value]) => [`${PREFIX}${name}`, value] as const);
    return { ...Object.fromEntries(named), change: sub(image(after), image(before)) };
  }
  const given = () =>
    Object.fromEntries(
      Object.entries(values).flatMap(([name, value]) => (value && name.startsWith(PREFIX) ? [[name.slice(PREFIX.length), value]] : [])),
    );
  if (part === "end") return { sample: finish(add(image(given()), values.rest as Value)) };
  const entry = part === "tail" ? given() : start();
  let state = entry;
  for (const block of part === "tail" ? others : blocks) {
    state = block(state);
    await pageTurn();
  }
  const sample = finish(image(state));
  return part === "tail" ? { sample, rest: sub(image(state), image(entry)) } : { sample };
}

/** Runs a part of the network on its own inputs and those that are given. */
export type RunPart = (
  part: Exclude<TransformerPart, "whole">,
  given: Readonly<Record<string, Tensor>>,
) => Promise<Readonly<Record<string, Tensor>>>;

/** What a step left for later ones, of the prompts or of the negative prompts. */
interface Kept {
  /** What the first block added to the picture's tokens. */
  readonly change: Tensor;
  /** What the other blocks added. */
  readonly rest: Tensor;
}

/**
 * Step caching of a transformer: if the first block adds nearly the same to the picture's tokens as at an earlier step, the other blocks
 * are not computed, and what they added then is added again. One is made for each run. Matches diffusers' FirstBlockCacheConfig, which is
 * made after ParaAttention's First Block Cache and TeaCache (Liu et al. 2024, arXiv:2411.19108).
 */
export class FirstBlockCache {
  // Prompts have the number 0, so that they keep it where there is no guidance.
  private readonly kept = new Map<number, Kept>();

  /**
   * The other blocks are left out if the first block's change differs from the kept one by at most `threshold`: the mean of the absolute
   * differences, divided by the mean of the kept one's absolute values. 0 leaves out nothing, 0.05 is diffusers' default.
   */
  constructor(
    /** The largest relative change at which the other blocks are left out. */
    readonly threshold: number,
  ) {}

  /**
   * The predictions of all rows, which one run computes or several runs of as many rows each. There are `copies` batches: the prompts are
   * the last one, negative prompts come before. As in diffusers, each decides for itself. A run with rows of both kinds computes both
   * parts, and what its rows need is taken.
   * @internal
   */
  async predict(copies: number, runs: readonly RunPart[]): Promise<Tensor> {
    const heads = await inTurn(runs, (run) => run("head", {}));
    const changes = concat(heads.map(({ change }) => change as Tensor));
    const rows = changes.shape[0] ?? 0;
    const [batch, size] = [rows / copies, rows / runs.length];
    const contexts = Array.from({ length: copies }, (_, copy) => {
      const [number, change] = [copies - 1 - copy, changes.slice(copy * batch, (copy + 1) * batch)];
      const kept = this.kept.get(number);
      return { number, change, kept: kept && relativeDifference(change, kept.change) <= this.threshold ? kept : undefined };
    });
    const isKept = (row: number) => contexts[Math.floor(row / batch)]?.kept !== undefined;
    const results = await inTurn(runs, async (run, i) => {
      const own = Array.from({ length: size }, (_, row) => i * size + row);
      const tokens = Object.fromEntries(Object.entries(heads[i] ?? {}).filter(([name]) => name.startsWith(PREFIX)));
      const tail = own.every(isKept) ? undefined : await run("tail", tokens);
      if (tail && !own.some(isKept)) return { sample: tail.sample as Tensor, rest: tail.rest as Tensor };
      const rest = concat(
        own.map((row) => {
          const kept = contexts[Math.floor(row / batch)]?.kept?.rest.slice(row % batch, (row % batch) + 1);
          const place = row - i * size;
          return kept ?? (tail?.rest?.slice(place, place + 1) as Tensor);
        }),
      );
      // With the rest of its own tail, a row's end gives the prediction of the tail.
      return { sample: (await run("end", { ...tokens, rest })).sample as Tensor, rest };
    });
    const rests = concat(results.map(({ rest }) => rest));
    for (const [copy, { number, change, kept }] of contexts.entries()) {
      if (!kept) this.kept.set(number, { change, rest: rests.slice(copy * batch, (copy + 1) * batch) });
    }
    return concat(results.map(({ sample }) => sample));
  }
}

/** The mean absolute difference of two tensors, divided by the mean absolute value of the second; infinite if their sizes differ. */
export function relativeDifference({ data }: Tensor, { data: other }: Tensor): number {
  if (data.length !== other.length) return Number.POSITIVE_INFINITY;
  let [difference, size] = [0, 0];
  for (const [i, value] of data.entries()) {
    difference += Math.abs(value - (other[i] as number));
    size += Math.abs(other[i] as number);
  }
  return difference / size;
}

async function inTurn<Item, Result>(items: readonly Item[], work: (item: Item, index: number) => Promise<Result>): Promise<Result[]> {
  const results: Result[] = [];
  for (const [i, item] of items.entries()) results.push(await work(item, i));
  return results;
}
