import { useEffect, useRef, useState } from "preact/hooks";
import { MaskEditor } from "../mask-editor.js";
import { abilities, defaults, start, startFrom } from "../state/form.js";
import { ProblemText, problemAbout } from "./field.js";
import { Icon } from "./icons.js";
import { NumberField } from "./number-field.js";

/** The picture to start from: a file, dropped or pasted, or one from the gallery. A mask can be drawn on it. */
export function StartPicture() {
  const input = useRef<HTMLInputElement>(null);
  const [isOver, setIsOver] = useState(false);
  usePastedPictures();
  const { takesMask, needsPicture } = abilities.value;
  const given = start.value;
  const about = problemAbout("image", "maskImage");

  return (
    <fieldset class="start">
      <legend>Picture to start from{needsPicture ? "" : " (optional)"}</legend>
      {/* biome-ignore lint/a11y/noStaticElementInteractions: the button in it does the same without a drag */}
      <div
        class={isOver ? "drop is-over" : "drop"}
        onDragOver={(event) => {
          if (!event.dataTransfer?.types.includes("Files")) return;
          event.preventDefault();
          setIsOver(true);
        }}
        onDragLeave={() => setIsOver(false)}
        onDrop={(event) => {
          event.preventDefault();
          setIsOver(false);
          const [file] = event.dataTransfer?.files ?? [];
          if (file) void startFrom(file);
        }}
      >
        <input
          ref={input}
          type="file"
          class="unseen"
          tabIndex={-1}
          accept="image/png,image/jpeg,image/webp,image/gif,image/avif"
          aria-label="Picture to start from"
          onChange={({ currentTarget }) => {
            const [file] = currentTarget.files ?? [];
            if (file) void startFrom(file);
            // The same file can be chosen again.
            currentTarget.value = "";
          }}
        />
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

function StartPreview({ image }: { readonly image: Blob }) {
  const [url, setUrl] = useState<string>();
  useEffect(() => {
    const made = URL.createObjectURL(image);
    setUrl(made);
    return () => URL.revokeObjectURL(made);
  }, [image]);
  return url === undefined ? null : <img class="start-preview" src={url} alt="To start from" />;
}

/** A picture that is pasted anywhere on the page. */
function usePastedPictures(): void {
  useEffect(() => {
    const paste = (event: ClipboardEvent) => {
      const file = [...(event.clipboardData?.files ?? [])].find(({ type }) => type.startsWith("image/"));
      if (!file) return;
      event.preventDefault();
      void startFrom(file);
    };
    document.addEventListener("paste", paste);
    return () => document.removeEventListener("paste", paste);
  }, []);
}
