import { ArgumentError } from "../../errors.js";
import { chunkPrompt, emptyChunk, type PromptChunk } from "../../prompt/chunks.js";
import { refuseComposition, refuseLoraTags, refuseSchedule } from "../../prompt/refusals.js";
import { promptSchedule, type ScheduledText } from "../../prompt/schedule.js";
import { concat, Tensor } from "../../tensor/tensor.js";
import { constant, type PerStep } from "../shared/per-step.js";
import {
  type ClipFeatures,
  type ClipReading,
  type ClipTextEncoder,
  type EncodedTexts,
  type EncodeOptions,
  joinEncoders,
  type PromptTexts,
} from "./clip-features.js";
import { joinRows } from "./text-encoders.js";

/** For each encoder and each row, the texts with their last steps. */
type Schedules = readonly (readonly (readonly ScheduledText[])[])[];

/**
 * Features of texts in the syntax of AUTOMATIC1111's web UI: words have weights, all texts have as many chunks as the longest one needs,
 * and texts may change with the step. Every text is encoded once and every chunk alone, so that all chunks use one session of the text
 * encoder. Matches FrozenCLIPEmbedderWithCustomWords, with one difference: if a prompt changes with the step, each of its texts has its own
 * mean here; there they share one.
 */
export async function encodeWeighted(
  reading: ClipReading,
  { positive, negative }: PromptTexts,
  { clipSkip, tokens = 0, steps }: EncodeOptions,
): Promise<EncodedTexts> {
  const { encoders } = reading;
  for (const text of positive?.flat() ?? []) refuseComposition(text);
  for (const text of [...(positive ?? []), ...(negative ?? [])].flat()) {
    refuseLoraTags(text);
    if (steps === undefined) refuseSchedule(text);
  }
  const schedule = (texts: PromptTexts["positive"]) =>
    encoders.map((_, i) => texts?.[i]?.map((text) => promptSchedule(text, steps ?? 1)) ?? []);
  const [ahead, away] = [schedule(positive), schedule(negative)];
  const chunked = encoders.map(({ tokenizer }, i) => {
    const texts = new Set([...(ahead[i] ?? []), ...(away[i] ?? [])].flat().map(({ text }) => text));
    return new Map(Array.from(texts, (text) => [text, chunkPrompt(tokenizer, text)]));
  });
  const counts = chunked.flatMap((texts) => Array.from(texts.values(), ({ length }) => length));
  const given = Math.ceil(tokens / (encoders[0]?.tokenizer.modelMaxLength ?? 1));
  const count = counts.reduce((most, each) => Math.max(most, each), given);
  const features = await Promise.all(encoders.map((encoder, i) => encodeTexts(reading, encoder, chunked[i] ?? new Map(), count, clipSkip)));
  return { positive: positive && perStep(ahead, features), negative: negative && perStep(away, features) };
}

/** One encoder's features [1, count * tokens, features] of each text, filled up to `count` chunks with the empty prompt. */
async function encodeTexts(
  { read }: ClipReading,
  { tokenizer, model }: ClipTextEncoder,
  texts: ReadonlyMap<string, readonly PromptChunk[]>,
  count: number,
  clipSkip: number | undefined,
): Promise<ReadonlyMap<string, ClipFeatures>> {
  const known = new Map<string, ClipFeatures>();
  const encode = async ({ ids, weights }: PromptChunk): Promise<ClipFeatures> => {
    const key = String(ids);
    const features = known.get(key) ?? (await read(model, new Tensor("int64", [1, ids.length], BigInt64Array.from(ids, BigInt)), clipSkip));
    known.set(key, features);
    return { ...features, promptEmbeds: emphasised(features.promptEmbeds, weights) };
  };
  const encoded = new Map<string, ClipFeatures>();
  for (const [text, chunks] of texts) {
    const parts: ClipFeatures[] = [];
    for (let i = 0; i < count; i++) parts.push(await encode(chunks[i] ?? emptyChunk(tokenizer)));
    encoded.set(text, {
      promptEmbeds: concat(
        parts.map(({ promptEmbeds }) => promptEmbeds),
        1,
      ),
      pooledPromptEmbeds: parts[0]?.pooledPromptEmbeds,
    });
  }
  return encoded;
}

/** Features [1, tokens, features] times the tokens' weights; then their mean is restored. Matches AUTOMATIC1111's "Original" emphasis. */
function emphasised(features: Tensor, weights: readonly number[]): Tensor {
  if (weights.every((weight) => weight === 1)) return features;
  const width = features.size / weights.length;
  const weighted = new Tensor(
    "float32",
    features.shape,
    features.data.map((value, i) => value * (weights[Math.floor(i / width)] as number)),
  );
  const ratio = mean(features) / mean(weighted);
  if (Number.isFinite(ratio)) return weighted.mul(ratio);
  throw new ArgumentError("the weights of the prompt are too large, or cancel each other out", {
    argument: "prompt",
    hint: "weights from 0.1 to 2 are useful",
  });
}

function mean({ data }: Tensor): number {
  return data.reduce((sum, value) => sum + value, 0) / data.length;
}

function perStep(schedules: Schedules, features: readonly ReadonlyMap<string, ClipFeatures>[]): PerStep<ClipFeatures> {
  const isConstant = schedules.flat().every((schedule) => schedule.every(({ text }) => text === schedule[0]?.text));
  const at = (step: number) =>
    joinEncoders(schedules.map((rows, i) => joinRows(rows.map((schedule) => features[i]?.get(textAt(schedule, step)) as ClipFeatures))));
  return isConstant ? constant(at(1)) : { isConstant, at };
}

function textAt(schedule: readonly ScheduledText[], step: number): string {
  return (schedule.find(({ until }) => step <= until) ?? schedule.at(-1))?.text ?? "";
}
