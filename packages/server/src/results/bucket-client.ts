import { setTimeout as sleep } from "node:timers/promises";
import { AwsV4Signer } from "aws4fetch";
import { codeOf, unreachableError } from "./bucket-error.js";
import type { BucketPlace } from "./bucket-options.js";

/** One request about an object. */
export interface BucketRequest {
  readonly method: "GET" | "HEAD" | "PUT" | "DELETE";
  /** The object's name, prefix included. */
  readonly key: string;
  /** What could not be done if it fails, such as "store a picture". */
  readonly task: string;
  readonly content?: { readonly bytes: Uint8Array; readonly sha256: string; readonly type: string } | undefined;
}

/** A reply with its whole body. */
export interface BucketReply {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Uint8Array<ArrayBuffer>;
}

/** The wait before the first repetition; each further one takes twice as long. */
const FIRST_WAIT_MS = 200;

const SHA256_OF_NOTHING = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/** Signs requests (AWS Signature Version 4), sends them, and sends them again after failures that pass. */
export class BucketClient {
  readonly #place: BucketPlace;
  readonly #retries: number;
  readonly #timeout: number;
  /** Keys for signing, one for each day. */
  readonly #signingKeys = new Map<string, ArrayBuffer>();

  constructor(
    place: BucketPlace,
    { retries = 5, timeout = 30_000 }: { readonly retries?: number | undefined; readonly timeout?: number | undefined },
  ) {
    this.#place = place;
    this.#retries = retries;
    this.#timeout = timeout;
  }

  /**
   * The last reply, whatever its status is.
   * @throws BucketError if the last try had no reply
   */
  async send(request: BucketRequest): Promise<BucketReply> {
    for (let failures = 0; ; failures++) {
      const isLast = failures >= this.#retries;
      try {
        const reply = await this.#try(request);
        if (isLast || !passes(reply)) return reply;
      } catch (error) {
        if (isLast) throw unreachableError(request.task, this.#place, error);
      }
      // Servers that share a bucket do not all come again at the same moment.
      await sleep(FIRST_WAIT_MS * 2 ** failures * (0.5 + Math.random() / 2));
    }
  }

  async #try({ method, key, content }: BucketRequest): Promise<BucketReply> {
    const { url, region, credentials } = this.#place;
    const signer = new AwsV4Signer({
      ...credentials,
      method,
      url: `${url}/${key.split("/").map(encodeName).join("/")}`,
      headers: { "x-amz-content-sha256": content?.sha256 ?? SHA256_OF_NOTHING, ...(content && { "content-type": content.type }) },
      service: "s3",
      ...(region !== undefined && { region }),
      cache: this.#signingKeys,
    });
    const signed = await signer.sign();
    const response = await fetch(signed.url, {
      method,
      headers: signed.headers,
      body: content === undefined ? null : new Uint8Array(content.bytes),
      // A signature is good for one address only.
      redirect: "manual",
      signal: AbortSignal.timeout(this.#timeout),
    });
    return { status: response.status, headers: response.headers, body: new Uint8Array(await response.arrayBuffer()) };
  }
}

/** Whether the same request may succeed later. */
function passes(reply: BucketReply): boolean {
  const { status } = reply;
  return status === 429 || (status >= 500 && status !== 501) || codeOf(reply) === "RequestTimeout";
}

/** As signatures are computed: `encodeURIComponent` leaves some characters that they have encoded. */
function encodeName(name: string): string {
  return encodeURIComponent(name).replace(/[!'()*]/g, (letter) => `%${letter.charCodeAt(0).toString(16).toUpperCase()}`);
}
