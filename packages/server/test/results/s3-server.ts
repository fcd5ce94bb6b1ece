import { once } from "node:events";
import { mkdtemp, readdir, rm, truncate } from "node:fs/promises";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { createRequire } from "node:module";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";

/** What the tests use of s3rver, which has no types. */
interface S3rver {
  configureBuckets(): Promise<unknown>;
  callback(): (request: IncomingMessage, response: ServerResponse) => void;
}
const S3rver = createRequire(import.meta.url)("@20minutes/s3rver") as new (options: object) => S3rver;

/** The only key that s3rver knows. It checks signatures with code of its own. */
export const CREDENTIALS = { accessKeyId: "S3RVER", secretAccessKey: "S3RVER" };

export const BUCKET = "pictures";

/** The end of the names of s3rver's files with the bytes of objects. */
const CONTENT = "._S3rver_object";

/** Answers a request in place of the service. */
export type Answer = (request: IncomingMessage, response: ServerResponse) => void;

/** An S3 service of a test's own, with one bucket. Requests are recorded, and the next ones can be answered by the test. */
export class S3Server {
  readonly requests: Pick<IncomingMessage, "method" | "url" | "headers">[] = [];
  /** Used up before the service answers itself. */
  readonly answers: Answer[] = [];
  port = 0;
  /** The service's own answer. */
  readonly service: Answer;
  readonly #folder: string;
  readonly #server: Server;

  private constructor(folder: string, service: Answer) {
    this.service = service;
    this.#folder = folder;
    this.#server = createServer((request, response) => {
      // The service changes the url.
      const { method, url, headers } = request;
      this.requests.push({ method, url, headers });
      (this.answers.shift() ?? service)(request, response);
    });
  }

  /** s3rver cannot check signatures of requests that name the bucket in the host: it reads them as those of version 2. */
  static async start({ checksSignatures = true } = {}): Promise<S3Server> {
    const folder = await mkdtemp(join(tmpdir(), "darkroom-bucket-"));
    const options = { silent: true, configureBuckets: [{ name: BUCKET }], allowMismatchedSignatures: !checksSignatures };
    const service = new S3rver({ ...options, directory: folder });
    await service.configureBuckets();
    const server = new S3Server(folder, service.callback());
    server.#server.listen(0, "127.0.0.1");
    await once(server.#server, "listening");
    server.port = (server.#server.address() as AddressInfo).port;
    return server;
  }

  get endpoint(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** The names of all objects. */
  async keys(): Promise<string[]> {
    const bucket = join(this.#folder, BUCKET);
    const files = (await readdir(bucket, { recursive: true, withFileTypes: true })).filter(({ name }) => name.endsWith(CONTENT));
    return files.map(({ parentPath, name }) => relative(bucket, join(parentPath, name)).slice(0, -CONTENT.length));
  }

  /** Cuts off the end of an object. */
  async truncate(key: string): Promise<void> {
    await truncate(join(this.#folder, BUCKET, key + CONTENT), 3);
  }

  /** Such as "PUT", in the order of the requests. */
  methods(): (string | undefined)[] {
    return this.requests.map(({ method }) => method);
  }

  async dispose(): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await rm(this.#folder, { recursive: true, force: true });
  }
}

/** A refusal as services send it. */
export function refuse(status: number, code: string, { headers = {}, extra = "" } = {}): Answer {
  return (request, response) => {
    request.resume();
    response.writeHead(status, { "content-type": "application/xml", ...headers });
    const body = `<?xml version="1.0"?><Error><Code>${code}</Code><Message>no</Message>${extra}</Error>`;
    response.end(request.method === "HEAD" ? undefined : body);
  };
}

export const cutOff: Answer = (request) => {
  request.socket.resetAndDestroy();
};
