import { createHash, randomBytes } from "node:crypto";
import { BucketClient, type BucketReply, type BucketRequest } from "./bucket-client.js";
import { BucketError, codeOf, refusedError } from "./bucket-error.js";
import { type BucketOptions, type BucketPlace, bucketPlace } from "./bucket-options.js";
import { type ResultStore, SHA256, type StoreIdentity } from "./result-store.js";

/**
 * Pictures in a bucket of an S3 service (Amazon's, MinIO, R2, Backblaze and others): PREFIX/3f79bb… are the bytes with this SHA-256.
 * Servers and workers can share it.
 */
export class BucketStore implements ResultStore {
  readonly #place: BucketPlace;
  readonly #client: BucketClient;
  /** A key that may not list the bucket gets 403 for what is missing. */
  #forbiddenIsMissing = false;

  private constructor(place: BucketPlace, client: BucketClient) {
    this.#place = place;
    this.#client = client;
  }

  /**
   * Opens a bucket, which must exist, and checks that the key may write, read and delete in it.
   * @throws ArgumentError if an option or a key is missing or makes no sense
   * @throws BucketError if the bucket cannot be used
   */
  static async open(options: BucketOptions): Promise<BucketStore> {
    const place = bucketPlace(options, process.env);
    const store = new BucketStore(place, new BucketClient(place, options));
    await store.#check();
    return store;
  }

  /** Machines can reach a bucket by different addresses of its service. */
  async identity(): Promise<StoreIdentity> {
    const { bucket, prefix } = this.#place;
    const id = `s3://${bucket}/${prefix}`;
    return { id, place: `the bucket ${id}` };
  }

  async put(bytes: Uint8Array, type: string): Promise<string> {
    const sha256 = createHash("sha256").update(bytes).digest("hex");
    const found = await this.#send("HEAD", sha256, "look for a picture");
    if (found.status === 200 && found.headers.get("content-length") === String(bytes.length)) return sha256;
    // Whatever else the reply was, the next one has the reason in it.
    this.#expect(await this.#send("PUT", sha256, "store a picture", { bytes, sha256, type }), "store a picture");
    return sha256;
  }

  async get(hash: string): Promise<Uint8Array<ArrayBuffer> | undefined> {
    if (!SHA256.test(hash)) return undefined;
    const reply = await this.#send("GET", hash, "read a picture");
    if (isMissing(reply) || (this.#forbiddenIsMissing && codeOf(reply) === "AccessDenied")) return undefined;
    return this.#expect(reply, "read a picture").body;
  }

  async delete(hash: string): Promise<void> {
    if (!SHA256.test(hash)) return;
    const reply = await this.#send("DELETE", hash, "delete a picture");
    if (!isMissing(reply)) this.#expect(reply, "delete a picture");
  }

  async close(): Promise<void> {}

  /** Writes, reads and deletes something that no other server has. */
  async #check(): Promise<void> {
    const bytes = randomBytes(32);
    const hash = await this.put(bytes, "application/octet-stream");
    const read = await this.get(hash);
    await this.delete(hash);
    if (read === undefined || !bytes.equals(read)) {
      const { bucket, url } = this.#place;
      throw new BucketError(`the bucket ${bucket} at ${url} does not give back what was stored in it`, {
        bucket,
        hint: "check that the endpoint is the address of an S3 service",
      });
    }
    const missing = await this.#send("GET", hash, "read a picture");
    this.#forbiddenIsMissing = missing.status === 403;
  }

  #send(method: BucketRequest["method"], hash: string, task: string, content?: BucketRequest["content"]): Promise<BucketReply> {
    return this.#client.send({ method, key: this.#place.prefix + hash, task, content });
  }

  #expect(reply: BucketReply, task: string): BucketReply {
    if (reply.status < 200 || reply.status > 299) throw refusedError(task, this.#place, reply);
    return reply;
  }
}

function isMissing(reply: BucketReply): boolean {
  return reply.status === 404 && codeOf(reply) !== "NoSuchBucket";
}
