import { constant } from "../shared/per-step.js";
import { type ClipReading, type EncodedTexts, type EncodeOptions, joinEncoders, type PromptTexts } from "./clip-features.js";
import { PlainPromptWarnings } from "./plain-prompt-warnings.js";

/** Features as diffusers makes them: longer prompts are cut to the length that the text encoder takes, with a warning. */
export async function encodePlain(reading: ClipReading, texts: PromptTexts, { clipSkip, tokens }: EncodeOptions): Promise<EncodedTexts> {
  const warnings = new PlainPromptWarnings();
  const encode = async (side: "positive" | "negative", maxLength: number | undefined, skip: number | undefined) => {
    const rows = texts[side];
    if (!rows) return undefined;
    const read = reading.encoders.map(({ tokenizer, model }, i) => {
      const { inputIds, truncated } = tokenizer.tokenize(rows[i] ?? [], { maxLength });
      warnings.warnOf(side === "positive" ? "the prompt" : "the negative prompt", rows[i] ?? [], truncated, inputIds.shape[1] ?? 0);
      return reading.read(model, inputIds, skip);
    });
    return constant(joinEncoders(await Promise.all(read)));
  };
  const positive = await encode("positive", undefined, clipSkip);
  // As in diffusers, the negative prompt is padded to the length of the prompt, and `clipSkip` does not apply to it.
  return { positive, negative: await encode("negative", positive?.at(1).promptEmbeds.shape[1] ?? tokens, undefined) };
}
