import { examplesFor } from "../logic/examples.js";
import { abilities, isSending, make, model, setFields } from "../state/form.js";
import { live } from "../state/jobs.js";

/** What is there before the first picture: a way to make it with one click. */
export function EmptyGallery() {
  if (live.value.length > 0) return null;
  const { takesPrompt, needsPicture } = abilities.value;
  const examples = examplesFor(model.value);
  const tryOne = (prompt: string) => {
    setFields({ prompt });
    void make();
  };
  return (
    <div class="empty">
      <svg class="empty-drawing" viewBox="0 0 120 90" aria-hidden="true">
        <path d="M4 14 Q60 26 116 14" />
        <path class="sheet" d="M18 22h24v32H18zM49 25h24v32H49zM80 22h24v32H80z" />
        <path d="M30 13v9M61 16v9M92 13v9" />
        <circle cx="61" cy="41" r="6" />
      </svg>
      <p class="empty-title">No pictures yet</p>
      {needsPicture && <p>This model starts from a picture: choose one in the form.</p>}
      {!needsPicture && takesPrompt && (
        <>
          <p>Describe one in the form, or try one of these:</p>
          <ul class="chips">
            {examples.map((prompt) => (
              <li key={prompt}>
                <button type="button" class="chip" disabled={isSending.value || !model.value} onClick={() => tryOne(prompt)}>
                  {prompt}
                </button>
              </li>
            ))}
          </ul>
        </>
      )}
      {!needsPicture && !takesPrompt && (
        <>
          <p>This model needs no prompt.</p>
          <button type="button" class="primary" disabled={isSending.value} onClick={() => void make()}>
            Make a picture
          </button>
        </>
      )}
    </div>
  );
}
