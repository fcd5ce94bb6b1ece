import { useState } from "preact/hooks";
import { ended, hasOlder, hiddenCount, loadOlder, type Made, made, showHidden } from "../state/jobs.js";
import { marked, opened, say, toggleMark } from "../state/view.js";
import { EmptyGallery } from "./empty-gallery.js";
import { Icon } from "./icons.js";
import { titleOf } from "./job-card.js";

/** The pictures that were made. */
export function Gallery() {
  if (ended.value === undefined) return <LoadingGallery />;
  return (
    <section class="gallery" aria-labelledby="gallery-title">
      <h2 id="gallery-title" class={made.value.length === 0 ? "unseen" : undefined}>
        Pictures
      </h2>
      {made.value.length === 0 ? (
        <EmptyGallery />
      ) : (
        <ul class="tiles">
          {made.value.map((each) => (
            <Tile key={each.picture.id} made={each} />
          ))}
        </ul>
      )}
      <div class="gallery-end">
        {hasOlder.value && <OlderButton />}
        {hiddenCount.value > 0 && (
          <button type="button" class="quiet" onClick={showHidden}>
            Show what is hidden ({hiddenCount.value})
          </button>
        )}
      </div>
    </section>
  );
}

function Tile({ made: { job, picture } }: { readonly made: Made }) {
  const title = titleOf(job);
  const isMarked = marked.value.includes(picture.id);
  return (
    <li class={isMarked ? "tile is-marked" : "tile"}>
      <button
        type="button"
        class="tile-open"
        title={title}
        onClick={() => {
          opened.value = picture.id;
        }}
      >
        <img
          src={`files/${picture.id}`}
          alt={`${title}, seed ${picture.seed}`}
          width={picture.width}
          height={picture.height}
          loading="lazy"
          decoding="async"
        />
      </button>
      <label class="tile-mark" title="Mark to compare">
        <input
          type="checkbox"
          aria-label={`Compare: ${title}, seed ${picture.seed}`}
          checked={isMarked}
          onChange={() => toggleMark(picture.id)}
        />
        <Icon name="check" />
      </label>
    </li>
  );
}

function OlderButton() {
  const [isLoading, setIsLoading] = useState(false);
  const load = async () => {
    setIsLoading(true);
    await loadOlder().catch(() => say("The server does not answer."));
    setIsLoading(false);
  };
  return (
    <button type="button" disabled={isLoading} onClick={load}>
      {isLoading ? "Loading…" : "Older pictures"}
    </button>
  );
}

function LoadingGallery() {
  return (
    <div class="tiles" aria-busy="true" role="status" aria-label="The pictures are loading">
      {Array.from({ length: 8 }, (_, i) => (
        <span key={i} class="tile shimmer" />
      ))}
    </div>
  );
}
