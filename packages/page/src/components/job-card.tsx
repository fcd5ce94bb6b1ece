import { useEffect, useState } from "preact/hooks";
import type { Job } from "../api/types.js";
import type { LiveJob } from "../logic/live-job.js";
import { spelled } from "../logic/problem.js";
import { durationText, secondsExpected, secondsLeft, shareDone } from "../logic/time-left.js";
import { cancel, ended, hide } from "../state/jobs.js";
import { offer } from "../state/server.js";
import { say } from "../state/view.js";
import { takeSettings } from "./actions.js";
import { ProblemText } from "./field.js";
import { Icon } from "./icons.js";

/** A job that waits or runs. */
export function JobCard({ live }: { readonly live: LiveJob }) {
  const { job, preview } = live;
  const [isCancelling, setIsCancelling] = useState(false);
  const stop = async () => {
    setIsCancelling(true);
    try {
      await cancel(job.id);
      say("Cancelled.");
    } catch {
      say("The job could not be cancelled: the server does not answer.");
      setIsCancelling(false);
    }
  };
  return (
    <li class="job" data-state={job.state} data-job={job.id}>
      <div class="job-picture">{preview ? <img src={preview} alt="Preview" /> : <span class="shimmer" />}</div>
      <div class="job-text">
        <p class="job-prompt">{titleOf(job)}</p>
        <JobProgress live={live} />
      </div>
      <button type="button" disabled={isCancelling} onClick={stop}>
        {isCancelling ? "Cancelling…" : "Cancel"}
      </button>
    </li>
  );
}

/** A job that failed or was cancelled. */
export function EndedCard({ job }: { readonly job: Job }) {
  return (
    <li class="job" data-state={job.state} data-job={job.id}>
      <div class="job-text">
        <p class="job-prompt">{titleOf(job)}</p>
        {job.error ? (
          <ProblemText problem={spelled({ ...job.error, param: job.error.argument })} />
        ) : (
          <p class="job-status">{job.state === "cancelled" ? "Cancelled" : "Failed"}</p>
        )}
      </div>
      <div class="job-buttons">
        <button type="button" onClick={() => takeSettings(job)}>
          Use these settings
        </button>
        <button type="button" class="icon-button" aria-label="Hide this job" title="Hide" onClick={() => hide([job.id])}>
          <Icon name="close" />
        </button>
      </div>
    </li>
  );
}

function JobProgress({ live: { job, pace } }: { readonly live: LiveJob }) {
  const now = useNow();
  const { progress, state, position = 1 } = job;
  if (state === "waiting" || !progress) {
    const model = offer.value?.models.find(({ name }) => name === job.model);
    const expected = secondsExpected(job, ended.value ?? [], model?.defaults?.starts.noise?.steps);
    const takes = expected === undefined ? "" : ` · takes about ${durationText(expected)}`;
    const status = state === "waiting" ? (position <= 1 ? "Next in the queue" : `Place ${position} in the queue`) : "Loading the model…";
    return (
      <>
        <p class="job-status">
          {status}
          {takes}
        </p>
        {state === "running" && <progress aria-label="Progress" />}
      </>
    );
  }
  const left = secondsLeft(progress, pace, now);
  const { picture, pictures, step, steps } = progress;
  const isFinishing = step >= steps;
  return (
    <>
      <p class="job-status">
        {isFinishing ? "Finishing the picture" : `Step ${step} of ${steps}`}
        {pictures > 1 && ` · picture ${picture + 1} of ${pictures}`}
        {left !== undefined && left >= 1 && ` · about ${durationText(left)} left`}
      </p>
      <progress aria-label="Progress" value={shareDone(progress)} max={1} />
    </>
  );
}

/** The time, every second. */
function useNow(): number {
  const [now, setNow] = useState(Date.now);
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), 1000);
    return () => clearInterval(timer);
  }, []);
  return Math.max(now, Date.now());
}

/** What a job is called on the page. */
export function titleOf({ request, model }: Pick<Job, "request" | "model">): string {
  return request.prompt?.trim() || `A picture by ${model}`;
}
