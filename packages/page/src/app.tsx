import { useEffect } from "preact/hooks";
import { CompareBar, CompareDialog } from "./components/compare-dialog.js";
import { Gallery } from "./components/gallery.js";
import { Icon } from "./components/icons.js";
import { KeyDialog } from "./components/key-dialog.js";
import { Notices } from "./components/notices.js";
import { PictureDialog } from "./components/picture-dialog.js";
import { PromptForm } from "./components/prompt-form.js";
import { Queue } from "./components/queue.js";
import { forgetKey, hasKey, keyProblem, offer } from "./state/server.js";

/** The whole page. */
export function App() {
  useMakeKey();
  return (
    <>
      <header class="top">
        <h1>
          <svg viewBox="0 0 32 32" aria-hidden="true">
            <circle cx="16" cy="16" r="13" />
            <circle class="lens" cx="16" cy="16" r="5.5" />
          </svg>
          Darkroom
        </h1>
        {offer.value && hasKey() && (
          <button
            type="button"
            class="quiet"
            onClick={() => {
              forgetKey();
              keyProblem.value = "missing";
            }}
          >
            <Icon name="key" />
            Change the key
          </button>
        )}
      </header>
      <div class="columns">
        <PromptForm />
        <main>
          <Notices />
          <Queue />
          <Gallery />
          <CompareBar />
        </main>
      </div>
      <PictureDialog />
      <CompareDialog />
      <KeyDialog />
    </>
  );
}

/** Ctrl+Enter or Cmd+Enter makes pictures, wherever the focus is. */
function useMakeKey(): void {
  useEffect(() => {
    const press = (event: KeyboardEvent) => {
      if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey) || event.isComposing || document.querySelector("dialog[open]")) return;
      event.preventDefault();
      document.querySelector<HTMLFormElement>(".form")?.requestSubmit();
    };
    document.addEventListener("keydown", press);
    return () => document.removeEventListener("keydown", press);
  }, []);
}
