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

/** Connects once, or says why not; a connection that is lost later is made again, and calls wait for it. */
export async function connect({ ioredis }: RedisModules, address: string, onError: (error: unknown) => void): Promise<Redis> {
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
    await redis.connect();
    hasConnected = true;
    return redis;
  } catch (cause) {
    redis.disconnect();
    const reason = refused ?? cause;
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
