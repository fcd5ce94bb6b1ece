import { ArgumentError } from "darkroom";

/** Options of `BucketStore.open`. What is left out is taken from the environment variables of Amazon's tools. */
export interface BucketOptions {
  /** The bucket's name. */
  readonly bucket: string;
  /** A folder in the bucket, such as `darkroom/pictures`; none by default. */
  readonly prefix?: string | undefined;
  /**
   * The address of the S3 service, such as `http://minio:9000`. By default AWS_ENDPOINT_URL_S3 or AWS_ENDPOINT_URL, and Amazon's own service if
   * neither is set.
   */
  readonly endpoint?: string | undefined;
  /** AWS_REGION or AWS_DEFAULT_REGION by default; if neither is set, the region that the endpoint's name has, or us-east-1. */
  readonly region?: string | undefined;
  /** AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN by default. */
  readonly credentials?: BucketCredentials | undefined;
  /**
   * Where requests name the bucket: in the path (`https://HOST/BUCKET/…`) or in the host (`https://BUCKET.HOST/…`). By default in the host for
   * Amazon's own service, and in the path for others and for a bucket with a dot in its name.
   */
  readonly addressing?: "path" | "virtual-host" | undefined;
  /** How often a request is sent again after a lost connection or a temporary failure of the service; 5 by default. */
  readonly retries?: number | undefined;
  /** Milliseconds that one try may take; 30,000 by default. */
  readonly timeout?: number | undefined;
}

/** A key of an S3 service. */
export interface BucketCredentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  /** Only for keys that are valid for a time. */
  readonly sessionToken?: string | undefined;
}

/** A bucket, with everything that is needed to reach it. */
export interface BucketPlace {
  readonly bucket: string;
  /** Empty, or ends with a slash. */
  readonly prefix: string;
  /** The address of the bucket, without a slash at its end. */
  readonly url: string;
  /** Undefined if the endpoint's name decides. */
  readonly region: string | undefined;
  readonly credentials: BucketCredentials;
}

const NAME = /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/;

/**
 * Takes `s3://BUCKET` or `s3://BUCKET/PREFIX` apart.
 * @throws ArgumentError if the address has another form
 */
export function parseBucketAddress(address: string): Pick<BucketOptions, "bucket" | "prefix"> {
  const [, bucket, prefix] = /^s3:\/\/([^/?#@]+)(?:\/([^?#]*))?$/.exec(address) ?? [];
  if (bucket !== undefined) return { bucket, prefix: prefix?.replace(/^\/+|\/+$/g, "") || undefined };
  // An address can have a key in it, so it is not repeated.
  throw new ArgumentError("the bucket's address does not have the form s3://BUCKET or s3://BUCKET/PREFIX", {
    argument: "bucket",
    hint: /^https?:/i.test(address)
      ? "give the address of the service as the endpoint, and the bucket as s3://BUCKET"
      : "give a key in AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, and the address of the service as the endpoint",
  });
}

/** @throws ArgumentError naming the option or variable that is missing or makes no sense */
export function bucketPlace(options: BucketOptions, env: NodeJS.ProcessEnv): BucketPlace {
  const { bucket, prefix = "" } = options;
  if (!NAME.test(bucket)) {
    throw new ArgumentError(`${JSON.stringify(bucket)} is not a bucket's name`, {
      argument: "bucket",
      hint: "a name has 3 to 63 lower-case letters, digits, dots and hyphens",
    });
  }
  const region = options.region || env.AWS_REGION || env.AWS_DEFAULT_REGION || undefined;
  const endpoint = options.endpoint || env.AWS_ENDPOINT_URL_S3 || env.AWS_ENDPOINT_URL || undefined;
  const service = endpoint === undefined ? amazon(region ?? "us-east-1") : endpointUrl(endpoint);
  // Certificates for *.HOST do not cover names with a dot.
  const addressing = options.addressing ?? (endpoint === undefined && !bucket.includes(".") ? "virtual-host" : "path");
  if (addressing === "virtual-host") service.host = `${bucket}.${service.host}`;
  const base = service.href.replace(/\/$/, "");
  return {
    bucket,
    prefix: checkedPrefix(prefix),
    url: addressing === "virtual-host" ? base : `${base}/${bucket}`,
    region: region ?? (endpoint === undefined ? "us-east-1" : undefined),
    credentials: options.credentials ?? credentialsOf(env),
  };
}

function amazon(region: string): URL {
  if (!/^[a-z0-9-]+$/.test(region)) {
    throw new ArgumentError(`${JSON.stringify(region)} is not a region`, { argument: "region", hint: "such as eu-central-1" });
  }
  return new URL(`https://s3.${region}.amazonaws.com${region.startsWith("cn-") ? ".cn" : ""}`);
}

function endpointUrl(endpoint: string): URL {
  const url = URL.canParse(endpoint) ? new URL(endpoint) : undefined;
  const isHttp = url?.protocol === "http:" || url?.protocol === "https:";
  if (url && isHttp && !(url.username || url.password || url.search || url.hash)) return url;
  throw new ArgumentError("the bucket's endpoint is not the address of an S3 service", {
    argument: "endpoint",
    hint: "such as http://minio:9000 or https://s3.eu-central-1.amazonaws.com, without a key in it",
  });
}

function checkedPrefix(given: string): string {
  const prefix = given.replace(/^\/+|\/+$/g, "");
  if (prefix === "") return "";
  const folders = prefix.split("/");
  if (folders.some((folder) => folder === "" || folder === "." || folder === "..") || /[\p{Cc}\p{Cs}]/u.test(prefix)) {
    throw new ArgumentError(
      `${JSON.stringify(given)} cannot be a prefix: a folder in it is empty, or has a name that addresses cannot have`,
      {
        argument: "prefix",
        hint: "such as darkroom/pictures",
      },
    );
  }
  return `${prefix}/`;
}

function credentialsOf(env: NodeJS.ProcessEnv): BucketCredentials {
  const { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey, AWS_SESSION_TOKEN: sessionToken } = env;
  if (accessKeyId && secretAccessKey) return { accessKeyId, secretAccessKey, sessionToken: sessionToken || undefined };
  const missing = [!accessKeyId && "AWS_ACCESS_KEY_ID", !secretAccessKey && "AWS_SECRET_ACCESS_KEY"].filter(Boolean);
  throw new ArgumentError(`a bucket needs a key: ${missing.join(" and ")} ${missing.length > 1 ? "are" : "is"} not set`, {
    argument: "credentials",
    hint: "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY to a key of the service",
  });
}
