/** The SHA-256 of all bytes, in hexadecimal. `crypto.subtle` hashes only what is in memory as a whole. */
export async function sha256(chunks: AsyncIterable<Uint8Array>): Promise<string> {
  const hash = new Sha256();
  for await (const bytes of chunks) hash.update(bytes);
  return hash.digest();
}

/** The fractional parts of the square and cube roots of the first primes (FIPS 180-4, sections 5.3.3 and 4.2.2). */
const [START, K] = constants();

function constants(): readonly [Uint32Array, Uint32Array] {
  const primes: number[] = [];
  for (let n = 2; primes.length < 64; n++) if (primes.every((prime) => n % prime !== 0)) primes.push(n);
  // A cube root of a prime below 312 times 2^32 has at most 35 bits, so that a double holds the whole part exactly.
  const fraction = (root: number) => Math.floor((root - Math.floor(root)) * 2 ** 32);
  return [
    Uint32Array.from(primes.slice(0, 8), (prime) => fraction(Math.sqrt(prime))),
    Uint32Array.from(primes, (prime) => fraction(Math.cbrt(prime))),
  ];
}

/** SHA-256 of bytes that come in parts (FIPS 180-4). */
export class Sha256 {
  private readonly state = START.slice();
  private readonly words = new Uint32Array(64);
  private readonly block = new Uint8Array(64);
  private readonly view = new DataView(this.block.buffer);
  /** Bytes so far. */
  private length = 0;

  update(bytes: Uint8Array): this {
    let at = 0;
    const begun = this.length % 64;
    this.length += bytes.length;
    if (begun > 0) {
      at = Math.min(64 - begun, bytes.length);
      this.block.set(bytes.subarray(0, at), begun);
      if (begun + at < 64) return this;
      this.compress(this.view, 0);
    }
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    for (; at + 64 <= bytes.length; at += 64) this.compress(view, at);
    this.block.set(bytes.subarray(at));
    return this;
  }

  /** The hash in hexadecimal. Nothing can be added afterwards. */
  digest(): string {
    const { length } = this;
    const padding = new Uint8Array(((119 - (length % 64)) % 64) + 9);
    padding[0] = 0x80;
    const view = new DataView(padding.buffer);
    view.setUint32(padding.length - 8, Math.floor(length / 2 ** 29));
    view.setUint32(padding.length - 4, (length % 2 ** 29) * 8);
    this.update(padding);
    return Array.from(this.state, (word) => word.toString(16).padStart(8, "0")).join("");
  }

  private compress(view: DataView, at: number): void {
    const { words: w, state } = this;
    for (let i = 0; i < 16; i++) w[i] = view.getUint32(at + 4 * i);
    for (let i = 16; i < 64; i++) {
      const [x, y] = [w[i - 15] as number, w[i - 2] as number];
      const s0 = ((x >>> 7) | (x << 25)) ^ ((x >>> 18) | (x << 14)) ^ (x >>> 3);
      const s1 = ((y >>> 17) | (y << 15)) ^ ((y >>> 19) | (y << 13)) ^ (y >>> 10);
      w[i] = ((w[i - 16] as number) + s0 + (w[i - 7] as number) + s1) | 0;
    }
    let [a, b, c, d, e, f, g, h] = state as unknown as [number, number, number, number, number, number, number, number];
    for (let i = 0; i < 64; i++) {
      const s1 = ((e >>> 6) | (e << 26)) ^ ((e >>> 11) | (e << 21)) ^ ((e >>> 25) | (e << 7));
      const t1 = (h + s1 + ((e & f) ^ (~e & g)) + (K[i] as number) + (w[i] as number)) | 0;
      const s0 = ((a >>> 2) | (a << 30)) ^ ((a >>> 13) | (a << 19)) ^ ((a >>> 22) | (a << 10));
      const t2 = (s0 + ((a & b) ^ (a & c) ^ (b & c))) | 0;
      h = g;
      g = f;
      f = e;
      e = (d + t1) | 0;
      d = c;
      c = b;
      b = a;
      a = (t1 + t2) | 0;
    }
    [a, b, c, d, e, f, g, h].forEach((word, i) => {
      state[i] = (state[i] as number) + word;
    });
  }
}

/** Bytes up to which the browser's own hash is used: it is faster, and needs the bytes in memory. */
const LARGEST_WHOLE = 2 ** 28;
/** Bytes that are hashed at once, so that the page stays responsive. */
const PART = 2 ** 21;

/** The SHA-256 of a blob, in hexadecimal. @throws the signal's reason */
export async function hashOfBlob(blob: Blob, signal?: AbortSignal): Promise<string> {
  if (blob.size <= LARGEST_WHOLE) return hex(await crypto.subtle.digest("SHA-256", await blob.arrayBuffer()));
  const hash = new Sha256();
  for (let at = 0; at < blob.size; at += PART) {
    signal?.throwIfAborted();
    hash.update(new Uint8Array(await blob.slice(at, at + PART).arrayBuffer()));
  }
  return hash.digest();
}

/** Git's SHA-1 of a small file, in hexadecimal. */
export async function gitHash(blob: Blob): Promise<string> {
  return hex(await crypto.subtle.digest("SHA-1", await new Blob([`blob ${blob.size}\0`, blob]).arrayBuffer()));
}

function hex(hash: ArrayBuffer): string {
  return Array.from(new Uint8Array(hash), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
