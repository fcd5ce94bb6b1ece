import { ArgumentError } from "darkroom";
import type { Redis } from "ioredis";

/** The queue on Redis cannot be used. */
export class RedisQueueError extends ArgumentError {
  constructor(message: string, { hint, cause }: { readonly hint?: string; readonly cause?: unknown } = {}) {
    super(message, { argument: "queue", hint, cause });
  }
}

export interface RedisModules {
  readonly bullmq: typeof import("bullmq");
  readonly ioredis: Pick<typeof import("ioredis"), "Redis">;
}

/** They are optional: only servers that share a queue need them. */
export async function loadRedisModules(): Promise<RedisModules> {
  try {
    const [bullmq, ioredis] = await Promise.all([import("bullmq"), import("ioredis")]);
    return { bullmq, ioredis };
  } catch (cause) {
    throw new RedisQueueError("a queue on Redis needs the packages bullmq and ioredis, which cannot be loaded", {
      hint: "npm install bullmq ioredis",
      cause,
    });
  }
}

/** How long Redis may take to answer at the start. */
const LONGEST_START_MS = 10_000;

/** ioredis takes a database that is no number, and what Redis then says is an error that nobody catches. @throws RedisQueueError */
function checkAddress(address: string): void {
  if (!URL.canParse(address)) return;
  const { protocol, pathname } = new URL(address);
  if (!/^rediss?:$/.test(protocol) || /^\/?$|^\/\d+\/?$/.test(pathname)) return;
  throw new RedisQueueError(
    `Redis at ${withoutPassword(address)}: the database is ${JSON.stringify(pathname.slice(1))}; expected a number`,
    {
      hint: "such as redis://HOST:PORT/0, or leave it out",
    },
  );
}

/** Connects once, or says why not; a connection that is lost later is made again, and calls wait for it. */
export async function connect({ ioredis }: RedisModules, address: string, onError: (error: unknown) => void): Promise<Redis> {
  checkAddress(address);
  let hasConnected = false;
  let refused: unknown;
  const redis = new ioredis.Redis(address, {
    lazyConnect: true,
    maxRetriesPerRequest: null,
    retryStrategy: (times) => (hasConnected ? Math.min(times * 100, 2000) : null),
  });
  redis.on("error", (error) => {
    if (hasConnected) onError(error);
    else refused = error;
  });
  try {
    await inTime(redis.connect());
    // ioredis connects whether or not Redis has the database, and says so in an event only.
    await inTime(redis.select(redis.options.db ?? 0));
    hasConnected = true;
    return redis;
  } catch (cause) {
    redis.disconnect();
    const reason = refused ?? cause;
    if (reason instanceof Error && /DB index is out of range|invalid DB index/i.test(reason.message)) {
      throw new RedisQueueError(`Redis at ${withoutPassword(address)} has no database ${redis.options.db}`, {
        hint: "it has 0 to 15 unless its configuration says otherwise (databases)",
        cause,
      });
    }
    throw new RedisQueueError(
      `Redis at ${withoutPassword(address)} cannot be reached: ${reason instanceof Error ? reason.message : reason}`,
      {
        hint: "start Redis there, or give another address: redis://HOST:PORT",
        cause,
      },
    );
  }
}

function withoutPassword(address: string): string {
  if (!URL.canParse(address)) return "this address";
  const { host, pathname } = new URL(address);
  return host + pathname;
}

async function inTime<T>(work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer in ${LONGEST_START_MS / 1000} seconds`)), LONGEST_START_MS);
  });
  return Promise.race([work, late]).finally(() => clearTimeout(timer));
}
