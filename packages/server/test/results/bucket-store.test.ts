import dns, { lookup } from "node:dns";
import type { ServerResponse } from "node:http";
import { inspect } from "node:util";
import { ArgumentError } from "darkroom";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { BucketError, type BucketOptions, BucketStore } from "../../src/index.js";
import { BYTES, HASH, testStore } from "./conformance.js";
import { BUCKET, CREDENTIALS, cutOff, refuse, S3Server } from "./s3-server.js";

const SECRET = "a/secret+key";

testStore("the store in a bucket", async () => {
  const server = await S3Server.start();
  const options = { bucket: BUCKET, endpoint: server.endpoint, credentials: CREDENTIALS, prefix: "a b+c/ü(1)!" };
  return {
    open: () => BucketStore.open(options),
    names: async () => (await server.keys()).map((key) => key.replace("a b+c/ü(1)!/", "")),
    truncate: (hash) => server.truncate(`a b+c/ü(1)!/${hash}`),
    writes: async () => server.methods().filter((method) => method === "PUT").length,
    dispose: () => server.dispose(),
  };
});

describe("a bucket", () => {
  let server: S3Server;
  beforeEach(async () => {
    server = await S3Server.start();
  });
  afterEach(async () => {
    vi.useRealTimers();
    vi.unstubAllEnvs();
    vi.restoreAllMocks();
    await server.dispose();
  });

  const open = (options: Partial<BucketOptions> = {}) =>
    BucketStore.open({ bucket: BUCKET, endpoint: server.endpoint, credentials: CREDENTIALS, retries: 0, ...options });
  const opened = async (options: Partial<BucketOptions> = {}) => {
    const store = await open(options);
    server.requests.length = 0;
    return store;
  };
  const failure = async (work: Promise<unknown>): Promise<BucketError> => {
    const error = await work.then(
      () => undefined,
      (thrown: unknown) => thrown,
    );
    if (!(error instanceof BucketError)) throw new Error(`not a BucketError: ${inspect(error)}`);
    return error;
  };

  it("is checked when the store opens, and has nothing left of the check", async () => {
    await open();
    expect(server.methods()).toEqual(["HEAD", "PUT", "GET", "DELETE", "GET"]);
    expect(await server.keys()).toEqual([]);
  });

  it("keeps a picture with its type, under its hash in the prefix", async () => {
    const store = await opened({ prefix: "/darkroom/" });
    await store.put(BYTES, "image/webp");
    expect(await server.keys()).toEqual([`darkroom/${HASH}`]);
    const put = server.requests.find(({ method }) => method === "PUT");
    expect(put?.headers).toMatchObject({ "content-type": "image/webp", "content-length": "9", "x-amz-content-sha256": HASH });
  });

  it("has its address and key in the variables of Amazon's tools", async () => {
    vi.stubEnv("AWS_ACCESS_KEY_ID", CREDENTIALS.accessKeyId);
    vi.stubEnv("AWS_SECRET_ACCESS_KEY", CREDENTIALS.secretAccessKey);
    vi.stubEnv("AWS_SESSION_TOKEN", "a-token");
    vi.stubEnv("AWS_REGION", "eu-north-1");
    vi.stubEnv("AWS_ENDPOINT_URL", server.endpoint);
    const store = await BucketStore.open({ bucket: BUCKET });
    expect(await store.get(await store.put(BYTES, "image/png"))).toEqual(BYTES);
    const headers = server.requests[0]?.headers;
    expect(headers?.["x-amz-security-token"]).toBe("a-token");
    expect(headers?.authorization).toContain("/eu-north-1/s3/aws4_request");
  });

  it("is named in the host where that is wished", async () => {
    await server.dispose();
    server = await S3Server.start({ checksSignatures: false });
    const hosts: string[] = [];
    vi.spyOn(dns, "lookup").mockImplementation(((host: string, options: object, done: (...found: unknown[]) => void) => {
      hosts.push(host);
      lookup("127.0.0.1", options, done as never);
    }) as never);
    const store = await open({ endpoint: `http://s3.eu-north-1.amazonaws.com:${server.port}`, addressing: "virtual-host" });
    await store.put(BYTES, "image/png");
    expect(await store.get(HASH)).toEqual(BYTES);
    expect(new Set(hosts)).toEqual(new Set([`${BUCKET}.s3.eu-north-1.amazonaws.com`]));
    expect(server.requests.at(-1)?.url).toBe(`/${HASH}`);
  });

  it("is asked again after lost connections and failures of the service", async () => {
    const store = await opened({ retries: 3 });
    server.answers.push(refuse(503, "SlowDown"), cutOff, refuse(429, "TooManyRequests"));
    await store.put(BYTES, "image/png");
    expect(server.methods()).toEqual(["HEAD", "HEAD", "HEAD", "HEAD", "PUT"]);
    server.answers.push(refuse(500, "InternalError"), refuse(400, "RequestTimeout"), cutOff);
    expect(await store.get(HASH)).toEqual(BYTES);
  });

  it("is asked as often as it may be, and the error has the last reply", async () => {
    const store = await opened({ retries: 1 });
    server.answers.push(refuse(503, "SlowDown"), refuse(503, "SlowDown"), refuse(503, "SlowDown"));
    expect(await failure(store.get(HASH))).toMatchObject({ bucket: BUCKET, status: 503, code: "SlowDown" });
    expect(server.methods()).toEqual(["GET", "GET"]);
  });

  it("is not asked again when it refuses", async () => {
    const store = await opened({ retries: 3 });
    server.answers.push(refuse(403, "AccessDenied"));
    const error = await failure(store.get(HASH));
    expect(error).toMatchObject({ status: 403, code: "AccessDenied" });
    expect(error.hint).toContain("s3:GetObject");
    expect(server.methods()).toEqual(["GET"]);
  });

  it("has a time to answer in", async () => {
    const store = await opened({ timeout: 50, retries: 1 });
    server.answers.push(
      () => undefined,
      (request, response) => {
        request.resume();
        response.writeHead(200, { "content-length": "9" }).write("a pic");
      },
    );
    const error = await failure(store.get(HASH));
    expect(error.message).toMatch(/aborted due to timeout/);
    expect(error.status).toBeUndefined();
    expect(server.methods()).toEqual(["GET", "GET"]);
  });

  it("may give a key that cannot list it 403 for what is missing", async () => {
    const denied = refuse(403, "AccessDenied");
    const through = server.service;
    server.answers.push(denied, through, through, through, denied);
    const store = await open();
    server.answers.push(denied, through, denied, denied);
    expect(await store.put(BYTES, "image/png")).toBe(HASH);
    expect(server.methods().at(-1)).toBe("PUT");
    expect(await store.get("0".repeat(64)).catch((error) => error)).toBeUndefined();
  });

  it("that is lost later is an error, not a missing picture", async () => {
    const store = await opened();
    server.answers.push(refuse(404, "NoSuchBucket"), refuse(403, "AccessDenied"), refuse(403, "InvalidAccessKeyId"));
    expect((await failure(store.get(HASH))).code).toBe("NoSuchBucket");
    expect((await failure(store.get(HASH))).code).toBe("AccessDenied");
    expect((await failure(store.get(HASH))).code).toBe("InvalidAccessKeyId");
  });

  describe("that cannot be used is an error when the store opens:", () => {
    it("a wrong secret key", async () => {
      const error = await failure(open({ credentials: { accessKeyId: "S3RVER", secretAccessKey: SECRET } }));
      expect(error).toMatchObject({ bucket: BUCKET, status: 403, code: "SignatureDoesNotMatch" });
      expect(error.message).toContain(`the bucket ${BUCKET} at ${server.endpoint}/${BUCKET}: status 403`);
      expect(error.hint).toContain("AWS_SECRET_ACCESS_KEY");
      expect(inspect(error, { depth: 9 })).not.toContain(SECRET);
    });

    it("an access key that the service does not know", async () => {
      const error = await failure(open({ credentials: { accessKeyId: "NOBODY", secretAccessKey: SECRET } }));
      expect(error).toMatchObject({ status: 403, code: "InvalidAccessKeyId" });
      expect(error.hint).toContain("AWS_ACCESS_KEY_ID");
    });

    it("a bucket that does not exist", async () => {
      const error = await failure(open({ bucket: "no-such-bucket" }));
      expect(error).toMatchObject({ bucket: "no-such-bucket", status: 404, code: "NoSuchBucket" });
      expect(error.hint).toContain("create the bucket");
    });

    it("a clock that is wrong", async () => {
      vi.useFakeTimers({ toFake: ["Date"], now: Date.now() + 3_600_000 });
      server.answers.push(
        refuse(403, "RequestTimeTooSkewed"),
        refuse(403, "RequestTimeTooSkewed", { headers: { date: new Date(Date.now() - 3_600_000).toUTCString() } }),
      );
      const error = await failure(open());
      expect(error).toMatchObject({ status: 403, code: "RequestTimeTooSkewed" });
      expect(error.hint).toBe("set this machine's clock: it is 60 minutes ahead of the service's");
    });

    it("a bucket of another region", async () => {
      const headers = { "x-amz-bucket-region": "eu-west-1", location: "http://169.254.169.254/" };
      server.answers.push(refuse(301, "PermanentRedirect", { headers }), refuse(301, "PermanentRedirect", { headers }));
      expect((await failure(open())).hint).toBe("the bucket is in the region eu-west-1: set AWS_REGION to it");
      const malformed = refuse(400, "AuthorizationHeaderMalformed", { extra: "<Region>eu-west-2</Region>" });
      server.answers.push(malformed, malformed);
      expect((await failure(open())).hint).toContain("eu-west-2");
    });

    it("a key that may not write", async () => {
      server.answers.push(server.service, refuse(403, "AccessDenied"));
      const error = await failure(open({ prefix: "mine" }));
      expect(error.hint).toBe("allow the key s3:GetObject, s3:PutObject and s3:DeleteObject on pictures/mine/*");
    });

    it("a service that cannot be reached", async () => {
      const { endpoint } = server;
      await server.dispose();
      const error = await failure(open({ endpoint }));
      expect(error.message).toContain("ECONNREFUSED");
      expect(error.hint).toContain("check the endpoint");
    });

    it("a server that speaks something else", async () => {
      const page = (_: unknown, response: ServerResponse) => void response.end("<html>");
      server.answers.push(page, page, page, page, page);
      expect((await failure(open())).message).toContain("does not give back what was stored");
    });
  });

  it("keeps the secret key out of what is printed", async () => {
    expect(inspect(await open(), { depth: 9, showHidden: true })).not.toContain("secretAccessKey");
  });

  it("without a key is a mistake of the caller", async () => {
    for (const name of ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"]) vi.stubEnv(name, undefined);
    await expect(open({ credentials: undefined })).rejects.toThrow(ArgumentError);
    await expect(open({ credentials: undefined })).rejects.toThrow("AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are not set");
    vi.stubEnv("AWS_ACCESS_KEY_ID", "S3RVER");
    await expect(open({ credentials: undefined })).rejects.toThrow("AWS_SECRET_ACCESS_KEY is not set");
  });
});
