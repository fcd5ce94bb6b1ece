// Everything a program may import from "darkroom-server".

export type { AccessOptions } from "./http/access.js";
export { type AppOptions, createApp } from "./http/app.js";
export type { Limits } from "./http/limits.js";
export type { ModelMemory } from "./http/metrics.js";
export type { ModelInfo, Models } from "./http/models.js";
export type { AppEnv, Patience } from "./http/server-context.js";
export { QueueFileError } from "./jobs/embedded/queue-file-error.js";
export type {
  Door,
  Job,
  JobError,
  JobEvent,
  JobResult,
  JobState,
  NewJob,
  OutputOptions,
  Preview,
  Progress,
  StoredPicture,
  SubmitOptions,
} from "./jobs/job.js";
export type { JobCounts, JobHandler, JobRun, Jobs, JobsOptions, JobWorker, ListOptions, LiveCount, WorkOptions } from "./jobs/jobs.js";
export {
  JobCancelled,
  JobCrashed,
  JobFailed,
  JobHandedBack,
  KeyReusedError,
  QueueClosedError,
  QueueFullError,
  QueueUnreachableError,
} from "./jobs/jobs.js";
export { RedisQueueError } from "./jobs/redis/connect.js";
export { openRedisJobs, type RedisJobsOptions, type SharedResults } from "./jobs/redis/redis-jobs.js";
export { type NamedSource, parseNamedSource, parseNamedSources } from "./models/named-source.js";
export type { Offer, PartialOffer, RuntimeOptions } from "./models/offer.js";
export type { CloseOptions } from "./opened.js";
export { BucketError } from "./results/bucket-error.js";
export { type BucketCredentials, type BucketOptions, parseBucketAddress } from "./results/bucket-options.js";
export { BucketStore } from "./results/bucket-store.js";
export type { StorageOptions } from "./results/open-results.js";
export type { ResultStore, StoreIdentity } from "./results/result-store.js";
export type { RunOptions } from "./run-jobs.js";
export { type RunningServer, type ServerOptions, startServer } from "./start-server.js";
export { type RunningWorker, startWorker, type WorkerOptions } from "./start-worker.js";
