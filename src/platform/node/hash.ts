import { createHash } from "node:crypto";

/** The SHA-256 of all bytes, in hexadecimal. */
export async function sha256(chunks: AsyncIterable<Uint8Array>): Promise<string> {
  const hash = createHash("sha256");
  for await (const bytes of chunks) hash.update(bytes);
  return hash.digest("hex");
}
