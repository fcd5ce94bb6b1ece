import { fileURLToPath } from "node:url";

/** Path of an embedding made for the tests, by fixtures/make/textual_inversion.py. */
export function embeddingFile(name: string): string {
  return fileURLToPath(new URL(`../fixtures/textual-inversion/embeddings/${name}.safetensors`, import.meta.url));
}
