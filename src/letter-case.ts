/** `cross_attention_dim` to `crossAttentionDim`; leading underscores stay. */
export function camelCase(key: string): string {
  return key.replace(/(?<=[A-Za-z0-9])_+([A-Za-z0-9])/g, (_, letter: string) => letter.toUpperCase());
}

/** The key Python knows a camelCase key by: `crossAttentionDim` to `cross_attention_dim`, `textEncoder2` to `text_encoder_2`. */
export function snakeCase(key: string): string {
  // A digit after a whole word is a number (text_encoder_2). After one or two letters it belongs to the name (fp16, s1).
  return key.replace(/[A-Z]/g, (capital) => `_${capital.toLowerCase()}`).replace(/([a-z]{3})(\d)$/, "$1_$2");
}
