import { randomSeed } from "../logic/request.js";
import { fields, lastSeed, setFields } from "../state/form.js";
import { Field } from "./field.js";
import { Icon } from "./icons.js";

/** Empty for a random seed. The same seed makes the same picture again. */
export function SeedField() {
  const { seed } = fields.value;
  const last = lastSeed.value;
  return (
    <Field name="seed">
      {(control) => (
        <div class="with-buttons">
          <input
            {...control}
            type="text"
            inputMode="numeric"
            autocomplete="off"
            spellcheck={false}
            pattern="\s*-?[0-9]*\s*"
            title="A whole number, or nothing for a random one"
            value={seed}
            placeholder="Random"
            onInput={({ currentTarget }) => setFields({ seed: currentTarget.value })}
          />
          <button
            type="button"
            class="icon-button"
            disabled={last === undefined || seed === last}
            aria-label="Use the last picture's seed again"
            title="Use the last picture's seed again"
            onClick={() => setFields({ seed: last ?? "" })}
          >
            <Icon name="again" />
          </button>
          <button
            type="button"
            class="icon-button"
            aria-label="Choose a seed by chance and keep it"
            title="Choose a seed by chance and keep it"
            onClick={() => setFields({ seed: String(randomSeed()) })}
          >
            <Icon name="dice" />
          </button>
          <button
            type="button"
            class="icon-button"
            disabled={seed === ""}
            aria-label="A random seed for each picture"
            title="A random seed for each picture"
            onClick={() => setFields({ seed: "" })}
          >
            <Icon name="close" />
          </button>
        </div>
      )}
    </Field>
  );
}
