import { useEffect, useRef, useState } from "preact/hooks";
import { MaskEditor } from "../mask-editor.js";
import { abilities, defaults, start, startFrom } from "../state/form.js";
import { ProblemText, problemAbout } from "./field.js";
import { Icon } from "./icons.js";
import { NumberField } from "./number-field.js";
import { PictureInput } from "./picture-input.js";
import { StartPreview } from "./start-preview.js";

/** The picture to start from: a file, dropped or pasted, or one from the gallery. A mask can be drawn on it. */
export function StartPicture() {
  const input = useRef<HTMLInputElement>(null);
  const isOver = useGivenPictures();
  const { takesMask, needsPicture } = abilities.value;
  const given = start.value;
  const about = problemAbout("image", "maskImage");

  return (
    <fieldset class="start">
      <legend>Picture to start from{needsPicture ? "" : " (optional)"}</legend>
      <div class={isOver ? "drop is-over" : "drop"}>
        <PictureInput input={input} label="Picture to start from" onPicture={(file) => void startFrom(file)} />
        {!given && (
          <button type="button" class="drop-button" onClick={() => input.current?.click()}>
            <Icon name="picture" />
            <span>
              <b>Choose a picture</b>, drop one here or paste it
            </span>
          </button>
        )}
        {given && takesMask && (
          <MaskEditor
            image={given.image}
            value={given.mask}
            onChange={(mask) => {
              if (start.value?.image === given.image) start.value = { ...start.value, mask };
            }}
          />
        )}
        {given && !takesMask && <StartPreview image={given.image} />}
        {given && (
          <div class="start-tools">
            <button type="button" onClick={() => input.current?.click()}>
              Another picture
            </button>
            <button
              type="button"
              onClick={() => {
                start.value = undefined;
              }}
            >
              Remove
            </button>
          </div>
        )}
      </div>
      {about && <ProblemText problem={about} />}
      {given && (
        <NumberField name="strength" label="Strength, from 0 to 1" placeholder={defaults.value?.strength} min={0} max={1} step="any" />
      )}
    </fieldset>
  );
}

/** Takes a picture that is pasted or dropped anywhere on the page. Returns whether one is dragged over it. */
function useGivenPictures(): boolean {
  const [isOver, setIsOver] = useState(false);
  useEffect(() => {
    const take = (event: Event, data: DataTransfer | null) => {
      const file = [...(data?.files ?? [])].find(({ type }) => type.startsWith("image/")) ?? data?.files[0];
      if (!file) return;
      event.preventDefault();
      void startFrom(file);
    };
    const listeners = new AbortController();
    const { signal } = listeners;
    document.addEventListener("paste", (event) => take(event, event.clipboardData), { signal });
    document.addEventListener(
      "dragover",
      (event) => {
        if (!event.dataTransfer?.types.includes("Files")) return;
        event.preventDefault();
        setIsOver(true);
      },
      { signal },
    );
    document.addEventListener("dragleave", ({ relatedTarget }) => relatedTarget === null && setIsOver(false), { signal });
    document.addEventListener(
      "drop",
      (event) => {
        setIsOver(false);
        take(event, event.dataTransfer);
      },
      { signal },
    );
    return () => listeners.abort();
  }, []);
  return isOver;
}
