import { ArgumentError } from "darkroom";
import { expect, it } from "vitest";
import { type BucketOptions, parseBucketAddress } from "../../src/index.js";
import { bucketPlace } from "../../src/results/bucket-options.js";

const KEY = { AWS_ACCESS_KEY_ID: "id", AWS_SECRET_ACCESS_KEY: "secret" };
const place = (options: Partial<BucketOptions> = {}, env: object = {}) =>
  bucketPlace({ bucket: "pictures", ...options }, { ...KEY, ...env });

function mistake(work: () => unknown): ArgumentError {
  try {
    work();
  } catch (error) {
    if (error instanceof ArgumentError) return error;
    throw error;
  }
  throw new Error("no error");
}

it("takes the address of a bucket apart", () => {
  expect(parseBucketAddress("s3://pictures")).toEqual({ bucket: "pictures", prefix: undefined });
  expect(parseBucketAddress("s3://pictures/")).toEqual({ bucket: "pictures", prefix: undefined });
  expect(parseBucketAddress("s3://my.pictures/a/b c/")).toEqual({ bucket: "my.pictures", prefix: "a/b c" });
});

it("refuses other addresses, and repeats no key that is in them", () => {
  for (const address of [
    "pictures",
    "s3:pictures",
    "s3://",
    "s3:///a",
    "gs://pictures",
    "s3://pictures?region=x",
    "s3://id:sEcReT@pictures/a",
  ]) {
    const { message, argument, hint } = mistake(() => parseBucketAddress(address));
    expect(argument).toBe("bucket");
    expect(message + hint).toContain("s3://BUCKET/PREFIX");
    expect(message + hint).not.toContain("sEcReT");
  }
  expect(mistake(() => parseBucketAddress("https://minio:9000/pictures")).hint).toContain("as the endpoint");
});

it("finds Amazon's service by the region", () => {
  expect(place()).toMatchObject({ url: "https://pictures.s3.us-east-1.amazonaws.com", region: "us-east-1", prefix: "" });
  expect(place({}, { AWS_REGION: "eu-central-1" }).url).toBe("https://pictures.s3.eu-central-1.amazonaws.com");
  expect(place({}, { AWS_DEFAULT_REGION: "cn-north-1" }).url).toBe("https://pictures.s3.cn-north-1.amazonaws.com.cn");
  expect(place({ region: "eu-west-1" }, { AWS_REGION: "eu-central-1" }).region).toBe("eu-west-1");
});

it("names the bucket in the path for other services and for names with a dot", () => {
  expect(place({ endpoint: "http://minio:9000" })).toMatchObject({ url: "http://minio:9000/pictures", region: undefined });
  expect(place({ endpoint: "https://project.supabase.co/storage/v1/s3/" }).url).toBe("https://project.supabase.co/storage/v1/s3/pictures");
  expect(place({ endpoint: "https://fra1.example.com", addressing: "virtual-host" }).url).toBe("https://pictures.fra1.example.com");
  expect(place({ bucket: "my.pictures" }).url).toBe("https://s3.us-east-1.amazonaws.com/my.pictures");
  expect(place({ addressing: "path" }).url).toBe("https://s3.us-east-1.amazonaws.com/pictures");
});

it("takes the endpoint from the variables, that of S3 before that of all services", () => {
  const env = { AWS_ENDPOINT_URL: "http://all:1", AWS_ENDPOINT_URL_S3: "http://s3:2" };
  expect(place({}, env).url).toBe("http://s3:2/pictures");
  expect(place({}, { ...env, AWS_ENDPOINT_URL_S3: "" }).url).toBe("http://all:1/pictures");
  expect(place({ endpoint: "http://own:3" }, env).url).toBe("http://own:3/pictures");
});

it("does not mix a given key with a token of the environment", () => {
  const credentials = { accessKeyId: "other", secretAccessKey: "other" };
  expect(place({ credentials }, { AWS_SESSION_TOKEN: "token" }).credentials).toEqual(credentials);
  expect(place({}, { AWS_SESSION_TOKEN: "token" }).credentials.sessionToken).toBe("token");
});

it("names the option that makes no sense", () => {
  expect(mistake(() => place({ bucket: "My_Bucket" })).argument).toBe("bucket");
  expect(mistake(() => place({ bucket: "x" })).message).toBe('"x" is not a bucket\'s name');
  for (const endpoint of ["minio:9000", "ftp://minio", "http://id:sEcReT@minio", "http://minio?x=1", "not an address"]) {
    const { argument, message, hint } = mistake(() => place({ endpoint }));
    expect(argument).toBe("endpoint");
    expect(message + hint).not.toContain("sEcReT");
  }
  for (const prefix of ["a//b", "a/../b", "./a", "a\nb", "\ud800"]) expect(mistake(() => place({ prefix })).argument).toBe("prefix");
  expect(mistake(() => place({ region: "eu/west" })).argument).toBe("region");
});
