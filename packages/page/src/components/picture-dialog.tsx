import { isRepeatable } from "../logic/reuse.js";
import { settingsText } from "../logic/settings-text.js";
import { isSmall } from "../logic/sizes.js";
import { abilities } from "../state/form.js";
import { hide, type Made, made } from "../state/jobs.js";
import { marked, opened, openedPicture, openNeighbour, toggleMark } from "../state/view.js";
import { again, startFromPicture, takeSettings } from "./actions.js";
import { Dialog } from "./dialog.js";
import { Icon } from "./icons.js";
import { titleOf } from "./job-card.js";

/** A picture in full size, with everything that can be done with it. */
export function PictureDialog() {
  const current = openedPicture();
  if (!current) return null;
  const close = () => {
    opened.value = undefined;
  };
  const move = ({ key }: KeyboardEvent) => {
    if (key === "ArrowLeft") openNeighbour(-1);
    if (key === "ArrowRight") openNeighbour(1);
  };
  const at = made.value.findIndex(({ picture }) => picture.id === current.picture.id);
  return (
    <Dialog label={titleOf(current.job)} class="picture-dialog" onClose={close} onKeyDown={move}>
      <div class="picture-stage">
        <img
          key={current.picture.id}
          class={isSmall(current.picture) ? "is-small" : undefined}
          src={`files/${current.picture.id}`}
          alt={titleOf(current.job)}
          width={current.picture.width}
          height={current.picture.height}
        />
        <button
          type="button"
          class="icon-button stage-left"
          aria-label="Newer picture"
          disabled={at <= 0}
          onClick={() => openNeighbour(-1)}
        >
          <Icon name="left" />
        </button>
        <button
          type="button"
          class="icon-button stage-right"
          aria-label="Older picture"
          disabled={at >= made.value.length - 1}
          onClick={() => openNeighbour(1)}
        >
          <Icon name="right" />
        </button>
      </div>
      <PictureFacts made={current} />
    </Dialog>
  );
}

function PictureFacts({ made: { job, picture, index } }: { readonly made: Made }) {
  const file = `files/${picture.id}`;
  const name = `darkroom-${picture.seed}.${picture.type.replace("image/", "").replace("jpeg", "jpg")}`;
  const isMarked = marked.value.includes(picture.id);
  return (
    <div class="picture-facts">
      {job.request.prompt && <p class="picture-prompt">{job.request.prompt}</p>}
      {job.request.negativePrompt && <p class="picture-negative">Not: {job.request.negativePrompt}</p>}
      <div class="picture-actions">
        <button type="button" class="primary" onClick={() => takeSettings(job, index)}>
          <Icon name="sliders" />
          Use these settings
        </button>
        <a class="button" href={file} download={name}>
          <Icon name="download" />
          Download
        </a>
        {isRepeatable(job) && (
          <button type="button" aria-label="Again with a new seed" title="Again with a new seed" onClick={() => void again(job)}>
            <Icon name="again" />
            Again
          </button>
        )}
        {abilities.value.takesPicture && (
          <button type="button" onClick={() => void startFromPicture(picture.id)}>
            <Icon name="picture" />
            Use as start
          </button>
        )}
        <button type="button" aria-pressed={isMarked} onClick={() => toggleMark(picture.id)}>
          <Icon name="check" />
          Compare
        </button>
        <button
          type="button"
          onClick={() => {
            opened.value = undefined;
            hide([job.id]);
          }}
        >
          <Icon name="hide" />
          Hide
        </button>
      </div>
      {job.result?.warnings.map((warning) => (
        <p key={warning} class="warning">
          {warning}
        </p>
      ))}
      <dl class="facts">
        {Object.entries(settingsText(job, picture)).map(([label, value]) => (
          <div key={label}>
            <dt>{label}</dt>
            <dd>{value}</dd>
          </div>
        ))}
      </dl>
    </div>
  );
}
