import { fruitless, hide, live } from "../state/jobs.js";
import { EndedCard, JobCard } from "./job-card.js";

/** The jobs that wait or run, and those that ended without a picture. */
export function Queue() {
  const ended = fruitless.value;
  if (live.value.length === 0 && ended.length === 0) return null;
  return (
    <section class="queue" aria-label="Jobs">
      <ul>
        {live.value.map((each) => (
          <JobCard key={each.job.id} live={each} />
        ))}
        {ended.slice(0, 5).map((job) => (
          <EndedCard key={job.id} job={job} />
        ))}
      </ul>
      {ended.length > 1 && (
        <button type="button" class="quiet" onClick={() => hide(ended.map(({ id }) => id))}>
          Hide all {ended.length} that made no picture
        </button>
      )}
    </section>
  );
}
