import { Qwen2_5_VLForConditionalGeneration } from "../../models/qwen2-5-vl.js";
import { Qwen3Model } from "../../models/qwen3.js";
import { T5EncoderModel } from "../../models/t5-encoder.js";
import { Qwen2Tokenizer } from "../../tokenizer/qwen2.js";
import { T5Tokenizer } from "../../tokenizer/t5.js";

/** The text encoders of Z-Image and FLUX.2 klein, by name. The language model's output layer is not read. */
export const QWEN3_ENCODERS = { Qwen3Model, Qwen3ForCausalLM: Qwen3Model };

/** The text encoder T5, by name. */
export const T5_ENCODERS = { T5EncoderModel };

/** The tokenizer classes of T5, by name. */
export const T5_TOKENIZERS = { T5Tokenizer, T5TokenizerFast: T5Tokenizer };

/** The text encoder of Qwen-Image, by name. */
export const QWEN_VL_ENCODERS = { Qwen2_5_VLForConditionalGeneration };

/** The tokenizer classes of Qwen's models, by name. */
export const QWEN_TOKENIZERS = { Qwen2Tokenizer, Qwen2TokenizerFast: Qwen2Tokenizer };
