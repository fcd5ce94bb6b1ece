import { useRef } from "preact/hooks";
import { abilities, fields, isSending, make, problem, setFields } from "../state/form.js";
import { offer } from "../state/server.js";
import { Field, ProblemText, problemAbout } from "./field.js";
import { Settings } from "./settings.js";
import { StartPicture } from "./start-picture.js";

/** Fields that show problems about themselves. */
const SHOWN = ["model", "width", "height", "numInferenceSteps", "guidanceScale", "scheduler", "seed", "numImagesPerPrompt", "format"];
const SHOWN_WITH_PROMPT = ["prompt", "negativePrompt", "loras"];
const SHOWN_WITH_PICTURE = ["image", "maskImage", "strength"];

/** Everything that a picture is made by. */
export function PromptForm() {
  const form = useRef<HTMLFormElement>(null);
  const { takesPrompt, takesPicture } = abilities.value;
  const shown = [...SHOWN, ...(takesPrompt ? SHOWN_WITH_PROMPT : []), ...(takesPicture ? SHOWN_WITH_PICTURE : [])];
  const general = problemAbout(...shown) ? undefined : problem.value;

  const submit = async () => {
    if (await make()) showJobs();
    else form.current?.querySelector<HTMLElement>("[aria-invalid=true]")?.focus();
  };

  return (
    <form
      ref={form}
      class="form"
      aria-label="New picture"
      onSubmit={(event) => {
        event.preventDefault();
        void submit();
      }}
    >
      <div class="form-scroll">
        <div class="form-fields">
          {takesPrompt && (
            <>
              <Field name="prompt">
                {(control) => (
                  <textarea
                    {...control}
                    class="prompt"
                    rows={4}
                    value={fields.value.prompt}
                    placeholder="What the picture shows"
                    onInput={({ currentTarget }) => setFields({ prompt: currentTarget.value })}
                  />
                )}
              </Field>
              <Field name="negativePrompt">
                {(control) => (
                  <textarea
                    {...control}
                    rows={2}
                    value={fields.value.negativePrompt}
                    placeholder="What it does not show"
                    onInput={({ currentTarget }) => setFields({ negativePrompt: currentTarget.value })}
                  />
                )}
              </Field>
            </>
          )}
          {takesPicture && <StartPicture />}
        </div>
        <Settings />
      </div>
      <div class="form-end">
        {general && <ProblemText problem={general} />}
        <button type="submit" class="primary" disabled={isSending.value || !offer.value}>
          {isSending.value ? "Sending…" : "Make"}
          <kbd>{isMac() ? "⌘" : "Ctrl"} ↵</kbd>
        </button>
      </div>
    </form>
  );
}

/** On narrow screens the jobs are below the form. */
function showJobs(): void {
  const main = document.querySelector("main");
  if (main && main.getBoundingClientRect().top > window.innerHeight / 2) main.scrollIntoView({ behavior: "smooth" });
}

function isMac(): boolean {
  return /Mac|iPhone|iPad/.test(navigator.userAgent);
}
