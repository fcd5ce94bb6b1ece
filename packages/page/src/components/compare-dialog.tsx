import { Compare, type ComparedPicture } from "../compare.js";
import { settingsText } from "../logic/settings-text.js";
import { type Made, made } from "../state/jobs.js";
import { isComparing, marked } from "../state/view.js";
import { Dialog } from "./dialog.js";

/** The bar that shows how many pictures are marked. */
export function CompareBar() {
  const count = marked.value.length;
  if (count === 0) return null;
  return (
    <div class="compare-bar" role="toolbar" aria-label="Comparison">
      <span>{count === 1 ? "Mark a second picture to compare" : "Two pictures are marked"}</span>
      <button
        type="button"
        class="primary"
        disabled={count < 2}
        onClick={() => {
          isComparing.value = true;
        }}
      >
        Compare
      </button>
      <button
        type="button"
        onClick={() => {
          marked.value = [];
        }}
      >
        Clear
      </button>
    </div>
  );
}

export function CompareDialog() {
  const [left, right] = marked.value.map((id) => made.value.find(({ picture }) => picture.id === id));
  if (!isComparing.value || !left || !right) return null;
  return (
    <Dialog
      label="Two pictures compared"
      class="compare-dialog"
      onClose={() => {
        isComparing.value = false;
      }}
    >
      <Compare left={compared(left)} right={compared(right)} />
    </Dialog>
  );
}

function compared({ job, picture }: Made): ComparedPicture {
  const { prompt, negativePrompt } = job.request;
  const settings = { Prompt: prompt, "Negative prompt": negativePrompt, ...settingsText(job, picture) };
  const { Made: _, Time: __, ...told } = settings as Record<string, unknown>;
  return { url: `files/${picture.id}`, width: picture.width, height: picture.height, settings: told };
}
