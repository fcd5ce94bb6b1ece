// Everything a program may import from "darkroom-server".

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
export type { JobHandler, JobRun, Jobs, JobsOptions, JobWorker, ListOptions, WorkOptions } from "./jobs/jobs.js";
export { JobCancelled, JobCrashed, JobFailed, JobHandedBack, KeyReusedError, QueueClosedError, QueueFullError } from "./jobs/jobs.js";
export { RedisQueueError } from "./jobs/redis/connect.js";
export { openRedisJobs, type RedisJobsOptions } from "./jobs/redis/redis-jobs.js";
export type { ResultStore } from "./results/result-store.js";
