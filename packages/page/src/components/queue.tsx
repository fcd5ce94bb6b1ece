import { useState } from "preact/hooks";
import { fruitless, hide, live } from "../state/jobs.js";
import { EndedCard, JobCard } from "./job-card.js";

/** Jobs that are shown while there are many. */
const MOST_SHOWN = 12;

/** The jobs that wait or run, and those that ended without a picture. */
export function Queue() {
  const [showsAll, setShowsAll] = useState(false);
  const ended = fruitless.value;
  const shown = showsAll ? live.value : live.value.slice(0, MOST_SHOWN);
  const more = live.value.length - shown.length;
  if (live.value.length === 0 && ended.length === 0) return null;
  return (
    <section class="queue" aria-label="Jobs">
      <ul>
        {shown.map((each) => (
          <JobCard key={each.job.id} live={each} />
        ))}
        {ended.slice(0, 5).map((job) => (
          <EndedCard key={job.id} job={job} />
        ))}
      </ul>
      {more > 0 && (
        <button type="button" class="quiet" onClick={() => setShowsAll(true)}>
          {more} more wait: show them
        </button>
      )}
      {ended.length > 1 && (
        <button type="button" class="quiet" onClick={() => hide(ended.map(({ id }) => id))}>
          Hide all {ended.length} that made no picture
        </button>
      )}
    </section>
  );
}
